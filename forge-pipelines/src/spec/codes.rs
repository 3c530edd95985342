//! The codes of findings, each with a longer explanation for `forge explain CODE`.

/// A code and what it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code {
    /// Such as `E0102`.
    pub code: &'static str,
    /// One line.
    pub title: &'static str,
    /// A paragraph: when it comes and what to do, with an example.
    pub text: &'static str,
}

/// The row of [`CODES`] for `code`, whatever its case.
///
/// ```
/// let code = forge_pipelines::spec::explain_code("e0102").unwrap();
/// assert_eq!(code.title, "unknown key");
/// ```
pub fn explain_code(code: &str) -> Option<&'static Code> {
    CODES.iter().find(|row| row.code.eq_ignore_ascii_case(code))
}

const fn row(code: &'static str, title: &'static str, text: &'static str) -> Code {
    Code { code, title, text }
}

/// Every code of the spec language, in order.
pub const CODES: &[Code] = &[
    row(
        "E0101",
        "not YAML",
        "The file could not be read as YAML. The usual reasons are a bracket or a quotation mark that is not closed, \
         keys of one map that do not start in the same column, and text that contains `: ` without quotes \
         (write \"note: like this\").",
    ),
    row(
        "E0102",
        "unknown key",
        "A key is not one that this place knows. Every key is checked, so that a misspelt `lookbak` is not silently \
         replaced by the default of `lookback`. The message lists the keys that are known here; a key that is known \
         elsewhere must be moved there.",
    ),
    row(
        "E0103",
        "not in this version",
        "The key or name belongs to the language, but this version of the program cannot do it yet. It is refused \
         rather than ignored, so that a result never differs from what the spec says.",
    ),
    row(
        "E0104",
        "missing key",
        "A key without a default is not given. Add it; the message shows an example. Every spec begins with \
         `forge: 1` and names a `task`.",
    ),
    row(
        "E0105",
        "wrong type",
        "A value is of another kind than the one wanted: text instead of a number, one value instead of a list. A \
         whole number is written without point or exponent: `1000`, not `1e3` or `1000.0`. `true` and `false` are \
         the only truth values; `yes`, `no`, `on` and `off` are text. A number in quotes is text.",
    ),
    row("E0106", "out of range", "A number is too small or too large, or a list too short or too long."),
    row(
        "E0107",
        "wrong form",
        "A text does not have the form that is wanted here, such as `70%` for a share or `cpu` for a device.",
    ),
    row(
        "E0108",
        "unknown name",
        "A value is chosen from a list of names, and this is not one of them. The message lists the names; those with \
         parameters are written as a one-key map, such as `{lstm: {hidden: 64}}`.",
    ),
    row(
        "E0109",
        "one kind is wanted",
        "A choice of kind is a map with exactly one key, the kind, whose parameters stand inside: \
         `model: {lstm: {hidden: 64}}`; or its bare name where every parameter has a default: `model: linear`. Two \
         kinds, none, or parameters beside the kind are refused.",
    ),
    row(
        "E0110",
        "key given twice",
        "The same key stands twice in one map. YAML forbids it, and many readers silently keep one of the two. Both \
         places are shown: keep one.",
    ),
    row(
        "E0111",
        "YAML that a spec does not have",
        "Anchors (`&x`), aliases (`*x`), merge keys (`<<`) and tags (`!x`) are refused: every value stands where it is \
         used, so that a place in the file is a place in the notebook. Text that begins with one of these signs must \
         be in quotes.",
    ),
    row("E0112", "several documents", "A spec is one YAML document. Put each spec in a file of its own."),
    row(
        "E0113",
        "empty spec",
        "The file holds no keys. The shortest spec is:\n\n    forge: 1\n    task: forecast\n    data: {csv: \
         prices.csv}\n    target: Close\n",
    ),
    row("E0114", "not UTF-8", "The file must be UTF-8 text. Save it so in your editor."),
    row("E0115", "tab indentation", "YAML forbids tabs for indentation. Use spaces, two a level."),
    row("E0116", "nested too deep", "Maps and lists are nested beyond any use."),
    row(
        "E0117",
        "braces without quotes",
        "`{{ address }}` outside quotes is a map in a map for YAML. Put the text in quotes, or in a block that begins \
         with `|`. Only prose (`md`) is filled in; parameters are changed by `-s ADDRESS=value`.",
    ),
    row(
        "E0118",
        "no space after the colon",
        "`lookback:60` is one long word for YAML. Write `lookback: 60`.",
    ),
    row("E0119", "not a finite number", "Infinity and not-a-number have no use as a parameter."),
    row("E0120", "key is not a name", "A list or a map stands where a key belongs."),
    row(
        "E0121",
        "version of the spec language",
        "The first line of a spec is `forge: 1`: the version of the language, a whole number. A file of a later \
         version needs a later program.",
    ),
    row(
        "E0130",
        "id given twice",
        "Two cells have the same `id`, so an address such as `lstm.train.epochs` would be ambiguous. Rename one. A \
         cell without `id` is called after its first action; a second one gets `-2`.",
    ),
    row(
        "E0131",
        "no such earlier cell",
        "A cell refers to a cell that does not exist or comes later. Cells run from top to bottom and see only what \
         stands above them.",
    ),
    row(
        "E0132",
        "prose beside an action",
        "A cell is either prose (`md`) or actions. Make the prose a cell of its own: `- md: \"...\"`.",
    ),
    row(
        "E0133",
        "model without train, or train without model",
        "A fit is a `model` and its `train` in the same cell. `train: {}` trains with the defaults.",
    ),
    row(
        "E0134",
        "actions that do not share a cell",
        "A cell does one thing, so that its result has one name. These go together: data, clean and check; target, \
         past, future, static, images and augment; model and train. `show`, `register` and `export` may stand beside \
         any of them.",
    ),
    row(
        "E0135",
        "empty cell",
        "A cell has neither prose (`md`) nor an action. Remove it, or say what it does.",
    ),
    row(
        "E0136",
        "actions beside cells",
        "Either the spec lists `cells:`, or its actions stand at the top level (one implied cell each); not both.",
    ),
    row(
        "E0140",
        "override that is not ADDRESS=value",
        "An override is `-s ADDRESS=value`, such as `-s window.lookback=90`. The value is YAML: a number, text, or a \
         list or map in brackets. Odd names stand in quotes: `prep.target.\"Adj Close\".0`.",
    ),
    row(
        "E0141",
        "no such address",
        "An address is `id.action.key`, or `action.key` when only one cell has the action, or a top-level key such as \
         `seed`. List items are numbered from 0.",
    ),
    row(
        "E0142",
        "ambiguous address",
        "Several cells have this action. Put the id of the cell in front: `lstm.train.epochs`.",
    ),
    row(
        "E0150",
        "claim that cannot be read",
        "A claim of `assert:` is an address of a result, a comparison (`<`, `<=`, `>`, `>=`, `==`) and a number or a \
         share: `score.result.lstm.rmse < 0.4`, `score.result.lstm.skill.mase > 5%`.",
    ),
    row(
        "E0151",
        "placeholder that cannot be read",
        "Prose is filled in at `{{ address }}`, `{{ address | pct }}` and `{{ address | round(2) }}`. Braces in code \
         spans stay as they are.",
    ),
    row(
        "E0152",
        "no such result",
        "A claim or a placeholder names a result that no cell produced. The address of a result is \
         `id.result.part.metric`.",
    ),
    row(
        "E0160",
        "file cannot be read",
        "The spec file cannot be opened. Check its name and that you may read it.",
    ),
    row(
        "E0170",
        "a cell without its input",
        "A cell needs a value that no earlier cell gives: windows need columns with roles, those need a split, a split \
         needs data. Add the cell that the message names above this one, or move this one down. With `from:` a cell \
         takes its input from the cells named there only.",
    ),
    row(
        "E0171",
        "inputs without a target",
        "`past` names the inputs of a forecast; the cell must also name its `target`.",
    ),
    row(
        "E0172",
        "not a fit",
        "`evaluate: {fits: [...]}` names cells that trained a model (`model` with `train`), by their ids.",
    ),
    row(
        "E0173",
        "a claim about nothing",
        "A claim of `assert:` is about a result that some cell computes: `ID.result.NAME.METRIC`, with a metric that \
         the `evaluate` cell lists. The message names the nearest result.",
    ),
    row(
        "E0174",
        "nothing to allow",
        "`allow:` switches a guard off where a cell does what it guards against. No cell of this spec does, so that the \
         line says what is not so. Take it out; or, where it was written for another spec, look for the cell that it was \
         meant for. L05 is about `clean: {fill: …}` from later rows, L06 about early stopping on the test part.",
    ),
    row(
        "E0190",
        "value refused",
        "A value has the right type but the cell cannot use it; the message says why.",
    ),
    row(
        "E0501",
        "training diverged",
        "The loss became infinite or not a number, so the weights are lost from that step on. The usual reasons are a \
         learning rate that is too large, and inputs of very different sizes: give columns a chain that ends in \
         `standardize`. `clip: 1.0` in `train` shortens long gradients. Steps are counted from 0.",
    ),
    row(
        "E0601",
        "a claim does not hold",
        "A claim of `assert:` was tried on the results of a complete run and is not true. The exit code is 6, so that a \
         script can tell; the run directory and the report are as whole as those of any other run.",
    ),
    row(
        "E0702",
        "no such device",
        "The spec asks for a device that is not there. `device: auto` takes the best one that is.",
    ),
    row(
        "L01",
        "fitted before the split",
        "A transform such as `standardize` is fitted on rows. Before the data is split these would include the test part, \
         and every score would be too good. Put the `split` cell above the one with `target`.",
    ),
    row(
        "L02",
        "split at random",
        "Neighbouring windows of a series share most of their rows, so a random split puts the same rows into training \
         and test. Split by time: train first, test last.",
    ),
];

#[cfg(test)]
mod tests {
    use super::CODES;

    #[test]
    fn codes_are_in_order_and_unique() {
        assert!(CODES.windows(2).all(|pair| pair[0].code < pair[1].code));
    }
}
