use pulldown_cmark::{CodeBlockKind, CowStr, Event, HeadingLevel, Options, Parser, Tag, TagEnd, html};

/// CommonMark (with tables, strike-through and task lists) as HTML that is safe to show and asks for nothing.
///
/// Raw HTML becomes text. The page is one file, so links lead only within it and images are only those written
/// out in the text; the address of any other is shown as text. Headings begin at `top` and skip no level, so that
/// they fit under the page's own.
pub(super) fn to_html(markdown: &str, top: usize) -> String {
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    let mut tamer = Tamer { top, level: top - 1, open: Vec::new(), heads: Vec::new() };
    let mut out = String::new();
    html::push_html(&mut out, Parser::new_ext(markdown, options).flat_map(|event| tamer.tame(event)));
    out
}

struct Tamer {
    top: usize,
    /// Level of the last heading that was written.
    level: usize,
    /// For each open link or image: its address if its element is left out.
    open: Vec<Option<String>>,
    /// Levels of the open headings.
    heads: Vec<HeadingLevel>,
}

impl Tamer {
    fn tame<'a>(&mut self, event: Event<'a>) -> Vec<Event<'a>> {
        match event {
            Event::Html(text) | Event::InlineHtml(text) => vec![Event::Text(text)],
            Event::Start(Tag::HtmlBlock) => vec![Event::Start(Tag::Paragraph)],
            Event::End(TagEnd::HtmlBlock) => vec![Event::End(TagEnd::Paragraph)],
            // The language of a block would be written into an attribute.
            Event::Start(Tag::CodeBlock(_)) => vec![Event::Start(Tag::CodeBlock(CodeBlockKind::Indented))],
            Event::Start(Tag::Heading { level, .. }) => {
                self.level = (self.top + level as usize - 1).min(self.level + 1).clamp(self.top, 6);
                let level = HeadingLevel::try_from(self.level).unwrap_or(HeadingLevel::H6);
                self.heads.push(level);
                vec![Event::Start(Tag::Heading { level, id: None, classes: Vec::new(), attrs: Vec::new() })]
            }
            Event::End(TagEnd::Heading(level)) => {
                vec![Event::End(TagEnd::Heading(self.heads.pop().unwrap_or(level)))]
            }
            Event::Start(Tag::Link { link_type, dest_url, id, .. }) => {
                let inside = dest_url.starts_with('#');
                self.open.push((!inside).then(|| dest_url.to_string()));
                let title = CowStr::Borrowed("");
                if inside {
                    vec![Event::Start(Tag::Link { link_type, dest_url, title, id })]
                } else {
                    Vec::new()
                }
            }
            Event::Start(Tag::Image { link_type, dest_url, id, .. }) => {
                let kinds = ["png", "jpeg", "gif", "webp"];
                let inside = kinds.iter().any(|k| dest_url.starts_with(&format!("data:image/{k};base64,")));
                self.open.push((!inside).then(|| dest_url.to_string()));
                let title = CowStr::Borrowed("");
                if inside {
                    vec![Event::Start(Tag::Image { link_type, dest_url, title, id })]
                } else {
                    Vec::new()
                }
            }
            Event::End(end @ (TagEnd::Link | TagEnd::Image)) => match self.open.pop().flatten() {
                Some(address) => vec![Event::Text(format!(" ({address})").into())],
                None => vec![Event::End(end)],
            },
            other => vec![other],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prose_is_rendered() {
        assert_eq!(to_html("a *b* `c`", 3), "<p>a <em>b</em> <code>c</code></p>\n");
        assert!(to_html("|a|b|\n|-|-:|\n|1|2|", 3).contains("<th style=\"text-align: right\">b</th>"));
    }

    #[test]
    fn html_is_shown_not_executed() {
        let html = to_html("<script>alert(1)</script>\n\nhi <img src=x onerror=alert(1)> there", 3);
        assert!(!html.contains("<script") && !html.contains("<img"), "{html}");
        assert!(html.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "{html}");
        let html = to_html("```<script>\n</code><script>x\n```", 3);
        assert!(!html.contains("<script"), "{html}");
    }

    #[test]
    fn addresses_become_text() {
        let html = to_html(
            "[site](https://e.org \"t\") ![i](http://e.org/a.png) [js](javascript:alert(1)) [in](#cell-a)",
            3,
        );
        assert!(html.contains("site (https://e.org)") && html.contains("i (http://e.org/a.png)"), "{html}");
        assert_eq!(html.matches("href=").count(), 1);
        assert!(html.contains("<a href=\"#cell-a\">in</a>") && !html.contains("src="), "{html}");
        assert!(
            to_html("![dot](data:image/png;base64,AAAA)", 3)
                .contains("<img src=\"data:image/png;base64,AAAA\" alt=\"dot\"")
        );
    }

    #[test]
    fn headings_skip_no_level() {
        let html = to_html("# A\n\n#### B\n\n## C\n\n# D", 3);
        for part in ["<h3>A</h3>", "<h4>B</h4>", "<h4>C</h4>", "<h3>D</h3>"] {
            assert!(html.contains(part), "{html}");
        }
        assert!(to_html("## Question", 3).contains("<h3>Question</h3>"));
        assert!(to_html("###### deep", 6).contains("<h6>deep</h6>"));
    }
}
