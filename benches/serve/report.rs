//! The report: one HTML file with every table and chart in it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::charts::{self, Across, Curve, Group};
use super::table::{Aim, Table};

/// A chart, what it shows, and whose colour is which.
pub struct Chart {
    pub title: String,
    pub says: String,
    pub names: Vec<String>,
    pub svg: String,
}

impl Chart {
    pub fn curves(
        title: &str,
        says: &str,
        curves: &[Curve],
        across: Across,
        axes: (&str, &str),
    ) -> Self {
        Self {
            title: title.to_owned(),
            says: says.to_owned(),
            names: curves.iter().map(|curve| curve.name.clone()).collect(),
            svg: charts::curves(curves, across, axes.0, axes.1),
        }
    }

    pub fn bars(
        title: &str,
        says: &str,
        servers: Vec<String>,
        groups: &[Group],
        axis: &str,
    ) -> Self {
        Self {
            title: title.to_owned(),
            says: says.to_owned(),
            names: servers,
            svg: charts::bars(groups, axis),
        }
    }
}

const STYLE: &str = "
:root { --ink: #1d2733; --dim: #5b6777; --line: #dfe4ea; --page: #f4f6f8; --card: #fff; --yes: #0a7d4f; --no: #b3261e }
* { box-sizing: border-box }
body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.55 system-ui, sans-serif }
main { max-width: 1080px; margin: 0 auto; padding: 40px 20px 80px }
h1 { font-size: 30px; line-height: 1.2; margin: 0 0 6px }
h2 { font-size: 19px; margin: 0 0 4px }
p { margin: 0 0 14px; color: var(--dim); max-width: 76ch }
section { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 22px 24px; margin-top: 22px; overflow-x: auto }
svg { display: block; width: 100%; height: auto }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 13.5px; width: 100% }
th { text-align: right; font-weight: 600; color: var(--dim); vertical-align: bottom; padding: 4px 8px; border-bottom: 2px solid var(--line) }
td { text-align: right; padding: 4px 8px; border-bottom: 1px solid var(--line); white-space: nowrap }
th:first-child, td:first-child, td:nth-child(2), th:nth-child(2) { text-align: left }
.aims td { white-space: normal }
.key { display: flex; flex-wrap: wrap; gap: 4px 18px; margin: 6px 0 8px }
.key span::before { content: ''; display: inline-block; width: 11px; height: 11px; border-radius: 3px; margin-right: 6px; background: var(--colour) }
.yes { color: var(--yes); font-weight: 600 } .no { color: var(--no); font-weight: 700 }
";

/// Writes it under this name in `target/bench`, and says where.
pub fn write(
    name: &str,
    machine: &str,
    aims: &[Aim],
    charts: &[Chart],
    tables: &[Table],
) -> std::io::Result<PathBuf> {
    let mut page = String::from(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n<title>electron-market: what requests cost</title>\n",
    );
    let _ = write!(
        page,
        "<style>{STYLE}</style>\n<main><h1>What requests cost</h1>\n<p>{}</p>\n",
        escape(machine)
    );
    if !aims.is_empty() {
        section(&mut page, "aims", &super::table::aims(aims));
    }
    for chart in charts {
        let _ = write!(
            page,
            "<section><h2>{}</h2><p>{}</p><div class=\"key\">",
            escape(&chart.title),
            escape(&chart.says)
        );
        for (n, name) in chart.names.iter().enumerate() {
            let (colour, name) = (charts::colour_name(n), escape(name));
            let _ = write!(page, "<span style=\"--colour:{colour}\">{name}</span>");
        }
        let _ = writeln!(page, "</div>{}</section>", inline(&chart.svg));
    }
    for table in tables {
        section(&mut page, "figures", table);
    }
    page.push_str("</main></html>\n");
    // The folder that cargo builds in has one for what benchmarks leave.
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("bench");
    std::fs::create_dir_all(&folder)?;
    let path = folder.join(name);
    std::fs::write(&path, page)?;
    Ok(path)
}

/// A drawing that grows and shrinks with the page.
fn inline(svg: &str) -> String {
    // The first `width` and `height` are those of the drawing; its `viewBox` says the same.
    let svg = svg.split_once("<svg ").map_or(svg, |(_, rest)| rest);
    let (head, rest) = svg.split_once('>').unwrap_or((svg, ""));
    let words = head.split_whitespace();
    let head: Vec<&str> = words
        .filter(|word| !word.starts_with("width=") && !word.starts_with("height="))
        .collect();
    format!("<svg {}>{rest}", head.join(" "))
}

fn section(page: &mut String, class: &str, table: &Table) {
    let _ = write!(
        page,
        "<section class=\"{class}\"><h2>{}</h2><table>",
        escape(&table.title)
    );
    for (n, row) in table.rows.iter().enumerate() {
        page.push_str("<tr>");
        for cell in row {
            let name = if n == 0 { "th" } else { "td" };
            let class = match cell.as_str() {
                "yes" => " class=\"yes\"",
                "NO" => " class=\"no\"",
                _ => "",
            };
            let _ = write!(page, "<{name}{class}>{}</{name}>", escape(cell));
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</table></section>\n");
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
