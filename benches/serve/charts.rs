//! Charts as SVG: curves over logarithmic axes, and bars.

use plotters::coord::Shift;
use plotters::prelude::*;

/// A line of a chart.
pub struct Curve {
    pub name: String,
    pub points: Vec<(f64, f64)>,
}

/// A group of bars, one of each server.
pub struct Group {
    pub name: String,
    /// By the servers' order; `None` where there is nothing to show.
    pub values: Vec<Option<f64>>,
}

const WIDTH: u32 = 920;
const TEXT: RGBColor = RGBColor(0x33, 0x3d, 0x4b);
const GRID: RGBColor = RGBColor(0xe6, 0xe9, 0xee);
/// Told apart by those who see no red or no green (Okabe and Ito, "Color universal design", 2008).
const COLOURS: [RGBColor; 8] = [
    RGBColor(0x00, 0x72, 0xb2),
    RGBColor(0xd5, 0x5e, 0x00),
    RGBColor(0x00, 0x9e, 0x73),
    RGBColor(0xcc, 0x79, 0xa7),
    RGBColor(0x56, 0xb4, 0xe9),
    RGBColor(0xe6, 0x9f, 0x00),
    RGBColor(0x5a, 0x5a, 0x5a),
    RGBColor(0x8c, 0x6b, 0x2f),
];

fn colour(n: usize) -> RGBColor {
    COLOURS[n % COLOURS.len()]
}

/// As style sheets write it.
pub fn colour_name(n: usize) -> String {
    let RGBColor(red, green, blue) = colour(n);
    format!("rgb({red},{green},{blue})")
}

/// Draws on a new canvas; what goes wrong there is a mistake of ours.
fn svg(height: u32, draw: impl FnOnce(&DrawingArea<SVGBackend<'_>, Shift>)) -> String {
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, (WIDTH, height)).into_drawing_area();
        draw(&area);
        area.present().expect("a text takes all there is");
    }
    text
}

fn font(size: i32) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&TEXT)
}

/// The powers of ten around all values.
fn decades(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (mut least, mut most) = (f64::MAX, f64::MIN_POSITIVE);
    for value in values.filter(|value| *value > 0.0) {
        least = least.min(value);
        most = most.max(value);
    }
    let least = least.min(most);
    let floor = 10_f64.powf(least.log10().floor());
    let ceiling = 10_f64.powf(most.log10().ceil());
    (
        floor,
        if ceiling > floor {
            ceiling
        } else {
            floor * 10.0
        },
    )
}

fn short(value: f64) -> String {
    match value {
        v if v >= 1e6 => format!("{:.0}M", v / 1e6),
        v if v >= 1e3 => format!("{:.0}k", v / 1e3),
        v if v >= 1.0 => format!("{v:.0}"),
        v => format!("{v:.2}").trim_end_matches('0').to_owned(),
    }
}

/// How the horizontal axis is divided.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Across {
    Even,
    Decades,
}

/// Curves; the vertical axis is logarithmic.
pub fn curves(curves: &[Curve], across: Across, x_name: &str, y_name: &str) -> String {
    let points = || curves.iter().flat_map(|curve| &curve.points);
    let ys = decades(points().map(|point| point.1));
    let most = points().map(|point| point.0).fold(1.0, f64::max);
    svg(400, |area| {
        let mut builder = ChartBuilder::on(area);
        builder
            .margin(14)
            .x_label_area_size(46)
            .y_label_area_size(64);
        // Two charts of two types, as an axis' kind is part of the type.
        match across {
            Across::Even => {
                let chart = builder.build_cartesian_2d(0.0..most * 1.04, (ys.0..ys.1).log_scale());
                let mut chart = chart.expect("room for a chart");
                chart
                    .configure_mesh()
                    .x_desc(x_name)
                    .y_desc(y_name)
                    .x_label_formatter(&|x| format!("{x:.0}"))
                    .y_label_formatter(&|y| short(*y))
                    .label_style(font(13))
                    .axis_desc_style(font(14))
                    .bold_line_style(GRID)
                    .light_line_style(WHITE)
                    .axis_style(TEXT)
                    .draw()
                    .expect("a grid");
                for (n, curve) in curves.iter().enumerate() {
                    line(&mut chart, n, curve);
                }
            }
            Across::Decades => {
                let xs = decades(points().map(|point| point.0));
                let chart =
                    builder.build_cartesian_2d((xs.0..xs.1).log_scale(), (ys.0..ys.1).log_scale());
                let mut chart = chart.expect("room for a chart");
                chart
                    .configure_mesh()
                    .x_desc(x_name)
                    .y_desc(y_name)
                    .x_label_formatter(&|x| short(*x))
                    .y_label_formatter(&|y| short(*y))
                    .label_style(font(13))
                    .axis_desc_style(font(14))
                    .bold_line_style(GRID)
                    .light_line_style(WHITE)
                    .axis_style(TEXT)
                    .draw()
                    .expect("a grid");
                for (n, curve) in curves.iter().enumerate() {
                    line(&mut chart, n, curve);
                }
            }
        }
    })
}

fn line<'a, C>(chart: &mut ChartContext<'a, SVGBackend<'a>, C>, n: usize, curve: &Curve)
where
    C: CoordTranslate<From = (f64, f64)>,
{
    let colour = colour(n);
    let series = LineSeries::new(curve.points.iter().copied(), colour.stroke_width(2));
    chart.draw_series(series).expect("a line");
    let dots = curve
        .points
        .iter()
        .map(|point| Circle::new(*point, 4, colour.filled()));
    chart.draw_series(dots).expect("dots");
}

/// Horizontal bars over a logarithmic axis, each with its number.
pub fn bars(groups: &[Group], x_name: &str) -> String {
    let servers = groups
        .iter()
        .map(|group| group.values.len())
        .max()
        .unwrap_or(1);
    let values = groups
        .iter()
        .flat_map(|group| group.values.iter().flatten());
    let (least, most) = decades(values.copied());
    let least = least / 10.0; // The shortest bar is one as well.
    let group_height = u32::try_from(servers * 20 + 16).expect("few servers");
    let height = group_height * u32::try_from(groups.len()).expect("few groups") + 70;
    svg(height, |area| {
        let rows = groups.len() as f64;
        let mut chart = ChartBuilder::on(area)
            .margin(14)
            .margin_right(90)
            .x_label_area_size(46)
            .y_label_area_size(100)
            .build_cartesian_2d((least..most).log_scale(), 0.0..rows)
            .expect("room for a chart");
        chart
            .configure_mesh()
            .disable_y_mesh()
            .disable_y_axis()
            .x_desc(x_name)
            .x_label_formatter(&|x| short(*x))
            .label_style(font(13))
            .axis_desc_style(font(14))
            .bold_line_style(GRID)
            .light_line_style(WHITE)
            .axis_style(TEXT)
            .draw()
            .expect("a grid");
        let bar = 0.84 / servers as f64;
        for (row, group) in groups.iter().enumerate() {
            let top = rows - row as f64 - 0.08;
            let (x, y) = chart.backend_coord(&(least, top - 0.42));
            let name = Text::new(group.name.clone(), (x - 94, y - 7), font(14));
            area.draw(&name).expect("a name");
            for (n, value) in group.values.iter().enumerate() {
                let Some(value) = value.filter(|value| *value > 0.0) else {
                    continue;
                };
                let upper = top - bar * n as f64;
                let corners = [(least, upper), (value.max(least), upper - bar * 0.88)];
                let filled = Rectangle::new(corners, colour(n).filled());
                chart.draw_series([filled]).expect("a bar");
                let (x, y) = chart.backend_coord(&(value, upper - bar * 0.44));
                let number = Text::new(super::table::figure(value), (x + 6, y - 7), font(13));
                area.draw(&number).expect("a number");
            }
        }
    })
}
