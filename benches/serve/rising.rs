//! Latency as load rises, in the open loop.

use super::charts::{Across, Curve};
use super::load::{self, Measure, Target};
use super::report::Chart;
use super::scenario::Scenario;
use super::table::{Table, figure};
use super::{Bench, Shop};

/// Of what the closed loop reached.
const SHARES: [f64; 8] = [0.1, 0.25, 0.4, 0.55, 0.7, 0.8, 0.9, 1.0];

const CONNECTIONS: usize = 64;

impl Bench {
    /// Products, a mixed day and checkouts at rates that rise to what the closed loop reached, and
    /// products at the ceiling at the same rates.
    pub fn raise(&mut self, shop: &Shop, ceiling: &Target) {
        let heads = [
            "asked for",
            "server",
            "of the closed loop's",
            "due a second",
            "done a second",
            "p50 ms",
            "p99 ms",
            "p99.9 ms",
        ];
        let mut table = Table::new(
            "Latency under rising load, in the open loop: from when a request was due",
            &heads,
        );
        for (scenario, servers) in [
            (Scenario::Detail, vec![&shop.target, ceiling]),
            (Scenario::Mixed, vec![&shop.target]),
            (Scenario::Checkout, vec![&shop.target]),
        ] {
            self.say(&format!("{} under rising load", scenario.name()));
            let time = self.options.seconds();
            let reach = load::closed(&shop.target, scenario, CONNECTIONS, time);
            let reach = self.runtime.block_on(reach).per_second();
            let shares: &[f64] = if self.options.quick {
                &SHARES[..2]
            } else {
                &SHARES
            };
            let mut curves = Vec::new();
            for server in servers {
                let mut runs = Vec::new();
                for share in shares {
                    let rate = (reach * share).max(10.0);
                    let run = load::open(server, scenario, CONNECTIONS, rate, time);
                    let run = self.runtime.block_on(run);
                    self.inspect(&server.name, &run);
                    table.push([
                        scenario.name().to_owned(),
                        server.name.clone(),
                        format!("{share:.2}"),
                        figure(rate),
                        figure(run.per_second()),
                        figure(run.quantile_ms(0.5)),
                        figure(run.quantile_ms(0.99)),
                        figure(run.quantile_ms(0.999)),
                    ]);
                    runs.push((rate, run));
                }
                let of = |name: &str, quantile: f64| Curve {
                    name: format!("{}, {name}", server.name),
                    points: points(&runs, quantile),
                };
                curves.extend([of("p50", 0.5), of("p99", 0.99), of("p99.9", 0.999)]);
            }
            let title = format!("Latency of {} under rising load", scenario.name());
            let says = "Each request counts from the moment when it was due, so a stall is charged for all who came meanwhile. \
                        The last rate is what the closed loop reached.";
            let axes = ("due a second", "ms");
            self.charts
                .push(Chart::curves(&title, says, &curves, Across::Even, axes));
        }
        self.show(table);
    }
}

fn points(runs: &[(f64, Measure)], quantile: f64) -> Vec<(f64, f64)> {
    runs.iter()
        .map(|(rate, run)| (*rate, run.quantile_ms(quantile)))
        .collect()
}
