(() => {
  'use strict';
  const root = document.documentElement;
  const NAMES = ['ink', 'muted', 'blue', 'vermillion', 'green', 'purple', 'orange', 'sky'];
  const css = name => getComputedStyle(root).getPropertyValue('--' + name).trim().toLowerCase();
  const colours = prefix => NAMES.map(name => css(prefix + name));

  // Theme: that of the system until the reader chooses one.
  const system = matchMedia('(prefers-color-scheme: dark)');
  const dark = () => (root.dataset.theme ? root.dataset.theme === 'dark' : system.matches);
  const themeButton = document.getElementById('theme');
  const nameTheme = () => { themeButton.textContent = dark() ? 'Light theme' : 'Dark theme'; };
  function changeTheme(theme) {
    const before = colours('');
    if (theme) root.dataset.theme = theme; else delete root.dataset.theme;
    nameTheme();
    follow(before);
  }
  themeButton.hidden = false;
  nameTheme();
  themeButton.addEventListener('click', () => {
    const theme = dark() ? 'light' : 'dark';
    try { localStorage.setItem('forge-theme', theme); } catch { /* a file may have no storage */ }
    changeTheme(theme);
  });
  let worn = colours('');
  system.addEventListener('change', () => { nameTheme(); follow(worn); });

  // Unpacking: base64 of gzip, for the figures and the library alike.
  async function unpack(element) {
    const bytes = Uint8Array.from(atob(element.textContent), c => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'));
    return new Response(stream).text();
  }
  let library;
  const plotly = () => library ??= unpack(document.getElementById('library')).then(text => {
    const script = document.createElement('script');
    script.textContent = text;
    document.head.append(script);
    return window.Plotly;
  });

  // Colours of a figure: each known one is replaced by its partner, wherever it stands.
  function recolour(value, from, to) {
    if (typeof value === 'string') {
      const i = value.startsWith('#') ? from.indexOf(value.slice(0, 7).toLowerCase()) : -1;
      return i < 0 ? value : to[i] + value.slice(7);
    }
    if (Array.isArray(value)) {
      return typeof value[0] === 'object' || String(value[0]).startsWith('#') ? value.map(v => recolour(v, from, to)) : value;
    }
    if (value && Object.getPrototypeOf(value) === Object.prototype) {
      return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, recolour(v, from, to)]));
    }
    return value;
  }
  function dress(layout) {
    const text = css('quiet'), grid = css('grid'), rule = css('rule');
    const clear = 'rgba(0,0,0,0)';
    const narrow = innerWidth < 640;
    const size = narrow ? 11 : 12.5;
    Object.assign(layout, {
      paper_bgcolor: clear, plot_bgcolor: clear, uirevision: 'kept', autosize: true,
      font: { family: getComputedStyle(document.body).fontFamily, size, color: text },
      colorway: colours('').slice(2),
      hoverlabel: { bgcolor: css('panel'), bordercolor: rule, font: { color: css('text') } },
      modebar: { bgcolor: clear, color: text, activecolor: css('accent') },
      legend: Object.assign({}, layout.legend, { bgcolor: clear }),
    });
    layout.margin = Object.assign({ l: 60, r: 18, t: 24, b: 44 }, layout.margin, narrow ? { l: Math.min(46, layout.margin?.l ?? 46), r: 8 } : {});
    if (matchMedia('(pointer: coarse)').matches) layout.dragmode = false;
    if (!Object.keys(layout).some(key => /^[xy]axis/.test(key))) Object.assign(layout, { xaxis: {}, yaxis: {} });
    for (const key of Object.keys(layout).filter(key => /^[xy]axis\d*$/.test(key))) {
      const axis = layout[key];
      Object.assign(axis, { gridcolor: grid, zerolinecolor: rule, linecolor: rule, tickcolor: rule });
      if (axis.title) axis.title = Object.assign({}, axis.title.text === undefined ? { text: axis.title } : axis.title, { font: { size } });
      if (key.startsWith('x')) axis.showgrid ??= false;
      if (axis.rangeslider) Object.assign(axis.rangeslider, { bgcolor: clear, bordercolor: rule, borderwidth: 1 });
    }
    return layout;
  }

  const drawn = [];
  function follow(before) {
    worn = colours('');
    for (const plot of drawn) {
      const data = recolour(plot.data, before, worn);
      window.Plotly.react(plot, data, dress(recolour(plot.layout, before, worn)));
    }
  }

  async function draw(figure) {
    if (figure.dataset.state) return;
    figure.dataset.state = 'drawing';
    const plot = figure.querySelector('.plot');
    try {
      const [Plotly, text] = await Promise.all([plotly(), unpack(figure.querySelector('.data'))]);
      const given = recolour(JSON.parse(text), colours('light-'), colours(''));
      const layout = given.layout || {};
      const menus = layout.updatemenus || [];
      delete layout.updatemenus;
      delete layout.title;
      plot.replaceChildren();
      await Plotly.newPlot(plot, given.data, dress(layout), {
        responsive: true, displaylogo: false, displayModeBar: matchMedia('(hover: hover)').matches ? 'hover' : false, modeBarButtonsToRemove: ['lasso2d', 'select2d', 'autoScale2d'],
        toImageButtonOptions: { filename: figure.dataset.name, scale: 2 },
      });
      drawn.push(plot);
      const tools = figure.querySelector('.tools');
      for (const menu of menus) tools.append(choice(Plotly, plot, menu));
      tools.append(download(plot, figure.dataset.name));
      figure.dataset.state = 'drawn';
    } catch (error) {
      figure.dataset.state = 'failed';
      wait(plot, 'This figure could not be drawn: ' + error.message);
      console.error(error);
    }
  }
  function wait(plot, words) {
    const note = document.createElement('p');
    note.className = 'waiting';
    note.textContent = words;
    plot.replaceChildren(note);
  }

  // A menu of the figure as a select box. The items' colours are those of data, which has none.
  function choice(Plotly, plot, menu) {
    const label = document.createElement('label');
    const select = document.createElement('select');
    for (const [i, item] of menu.buttons.entries()) select.append(new Option(item.label, i));
    select.selectedIndex = menu.active || 0;
    select.addEventListener('change', () => {
      const item = menu.buttons[select.value];
      Plotly[item.method](plot, ...item.args);
    });
    label.append(menu.name || 'show', select);
    return label;
  }

  // The figure's points as a table of series, x, y, and of a map the value.
  function table(data) {
    const plain = text => String(text).replace(/&lt;/g, '<').replace(/&gt;/g, '>').replace(/&amp;/g, '&');
    const field = value => {
      const text = value === null || value === undefined ? '' : String(value);
      return /[",\n\r]/.test(text) ? '"' + text.replace(/"/g, '""') + '"' : text;
    };
    const rows = [data.some(trace => trace.z) ? ['series', 'x', 'y', 'value'] : ['series', 'x', 'y']];
    for (const trace of data) {
      if (trace.ids) {
        rows.push(...trace.ids.map((id, i) => [plain(trace.name || ''), plain(id), trace.values[i]]));
        continue;
      }
      const y = Array.from(trace.y || []);
      const x = Array.from(trace.x || y.keys());
      // A leading formula sign would make a spreadsheet compute.
      const name = plain(trace.name || '').replace(/^([=+@-])/, "'$1");
      for (const [i, value] of y.entries()) {
        if (trace.z) for (const [j, at] of x.entries()) rows.push([name, at, value, trace.z[i][j]]);
        else rows.push([name, x[i], value]);
      }
    }
    return rows.map(row => row.map(field).join(',')).join('\n') + '\n';
  }
  function download(plot, name) {
    const button = document.createElement('button');
    button.type = 'button';
    button.className = 'button';
    button.textContent = 'CSV';
    button.title = 'Save the points of this figure as CSV';
    button.addEventListener('click', () => {
      const link = document.createElement('a');
      link.href = URL.createObjectURL(new Blob([table(plot.data)], { type: 'text/csv' }));
      link.download = name + '.csv';
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    });
    return button;
  }

  const figures = [...document.querySelectorAll('.figure')];
  for (const figure of figures) wait(figure.querySelector('.plot'), 'Drawn when scrolled into view');
  const watcher = new IntersectionObserver(entries => {
    for (const entry of entries.filter(entry => entry.isIntersecting)) {
      watcher.unobserve(entry.target);
      draw(entry.target);
    }
  }, { rootMargin: '400px' });
  for (const figure of figures) watcher.observe(figure);

  // Print: light, unfolded, as wide as paper. Figures not yet drawn are drawn; the browser may not wait for them.
  let kept;
  addEventListener('beforeprint', () => {
    kept = { theme: root.dataset.theme, folded: [...document.querySelectorAll('details:not([open])')] };
    for (const fold of kept.folded) fold.open = true;
    for (const figure of figures) draw(figure);
    changeTheme('light');
    for (const plot of drawn) window.Plotly.relayout(plot, { width: 680, autosize: false });
  });
  addEventListener('afterprint', () => {
    if (!kept) return;
    for (const fold of kept.folded) fold.open = false;
    changeTheme(kept.theme);
    for (const plot of drawn) window.Plotly.relayout(plot, { width: null, autosize: true });
  });

  const copy = document.querySelector('.copy');
  if (copy) {
    copy.hidden = false;
    copy.addEventListener('click', async () => {
      const code = copy.parentElement.querySelector('code');
      try {
        await navigator.clipboard.writeText(code.textContent);
      } catch {
        getSelection().selectAllChildren(code);
        document.execCommand('copy');
      }
      copy.textContent = 'Copied';
      setTimeout(() => { copy.textContent = 'Copy'; }, 1500);
    });
  }
})();
