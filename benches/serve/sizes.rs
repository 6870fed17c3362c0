//! What each scenario costs in shops of different sizes, and a page deep in a list beside the first.

use std::sync::Arc;

use super::charts::{Across, Curve};
use super::load::{Measure, Target};
use super::report::Chart;
use super::scenario::Scenario;
use super::table::{self, Aim, Table, figure};
use super::{Bench, Shop};

/// How far down a deep page is, of the whole list.
const DEPTH: f64 = 0.9;

impl Bench {
    /// Every scenario in every shop by turns.
    pub fn compare_sizes(&mut self, shops: &[Shop]) {
        let sizes: Vec<String> = shops
            .iter()
            .map(|shop| format!("{} rows", shop.products))
            .collect();
        let mut heads = vec!["scenario".to_owned()];
        for what in ["CPU us", "a second", "p99 ms"] {
            heads.extend(sizes.iter().map(|size| format!("{what}, {size}")));
        }
        heads.push("CPU, largest over smallest".to_owned());
        let title = "Scenarios by size: so many products, and as many orders placed before";
        let mut table = Table::new(title, &heads);
        heads.splice(.., ["RSS MiB after".to_owned()].into_iter().chain(sizes));
        let title = "Memory under load, the most of all turns of a scenario, one after the other";
        let mut memory = Table::new(title, &heads);
        let mut most = None;
        let mut curves = Vec::new();
        let targets: Vec<&Target> = shops.iter().map(|shop| &shop.target).collect();
        for scenario in Scenario::ALL {
            self.say(&format!("{} by size", scenario.name()));
            let rows = self.by_turns(scenario, &targets);
            let last = rows.last().expect("there are shops");
            let ratio = last.ratio(&rows[0], Measure::cpu_us);
            let mut cells = vec![scenario.name().to_owned()];
            cells.extend(rows.iter().map(|row| table::maybe(row.cpu_us())));
            cells.extend(rows.iter().map(|row| figure(row.per_second())));
            cells.extend(rows.iter().map(|row| figure(row.all().quantile_ms(0.99))));
            cells.push(table::maybe(ratio));
            table.push(cells);
            let points = shops.iter().zip(&rows);
            let points =
                points.filter_map(|(shop, row)| Some((shop.products as f64, row.cpu_us()?)));
            curves.push(Curve {
                name: scenario.name().to_owned(),
                points: points.collect(),
            });
            let mut resident = vec![scenario.name().to_owned()];
            for (row, shop) in rows.iter().zip(shops) {
                let all = row.all();
                self.inspect(&row.server, &all);
                let mib = all.resident.map(table::mib);
                resident.push(table::maybe(mib));
                if shop.products == 100_000 {
                    most = mib.map(|mib| mib.max(most.unwrap_or(0.0)));
                }
            }
            memory.push(resident);
            if scenario != Scenario::Search {
                let largest = shops.last().map_or(0, |shop| shop.products);
                let what = match scenario {
                    Scenario::Mixed => "mixed day, a fifth of it searches",
                    other => other.name(),
                };
                let what =
                    format!("{what}: CPU at {largest} products and orders, over the smallest");
                self.aims.push(Aim::at_most(&what, 1.3, ratio));
            }
        }
        self.show(table);
        self.show(memory);
        let heads = ["products and orders", "store MiB", "ready after ms"];
        let mut table = Table::new("Starting again a shop whose index is built", &heads);
        for shop in shops {
            let (rows, ms) = (shop.products.to_string(), shop.ready.as_secs_f64() * 1e3);
            table.push([rows, figure(table::mib(shop.bytes)), figure(ms)]);
        }
        self.show(table);
        if let Some(shop) = shops.last() {
            let per_gib = shop.ready.as_secs_f64() / (table::mib(shop.bytes) / 1024.0);
            let what = "ready, s for each GiB of the largest shop's store";
            self.aims.push(Aim::at_most(what, 1.5, Some(per_gib)));
        }
        if most.is_some() {
            let what = "RSS with 100,000 products under load, MiB";
            self.aims.push(Aim::at_most(what, 150.0, most));
        }
        let says = "CPU of the server for each that is done, as the shop grows. A flat line is what it aims at, for every scenario but search.";
        let axes = ("products and orders", "CPU us each");
        self.charts.push(Chart::curves(
            "Cost by size",
            says,
            &curves,
            Across::Decades,
            axes,
        ));
    }

    /// The first page of the products beside one nine tenths down, in the largest shop.
    pub fn compare_pages(&mut self, shop: &Shop) -> Result<(), String> {
        self.say("deep pages");
        let deep = self.runtime.block_on(async {
            let questions = &shop.target.questions;
            questions
                .with_page(&shop.target.address, (shop.products as f64 * DEPTH) as u64)
                .await
        })?;
        let deep = Target {
            name: "deep".to_owned(),
            address: shop.target.address.clone(),
            meter: shop.target.meter.clone(),
            questions: Arc::new(deep),
        };
        let rows = self.by_turns(Scenario::List, &[&shop.target, &deep]);
        let title = format!(
            "A page of 50 of {} products, the first and one nine tenths down",
            shop.products
        );
        let mut table = Table::new(&title, &["page", "a second", "CPU us each", "bytes each"]);
        for (row, name) in rows.iter().zip(["first", "deep"]) {
            let all = row.all();
            self.inspect(&row.server, &all);
            table.push([
                name.to_owned(),
                figure(row.per_second()),
                table::maybe(row.cpu_us()),
                all.bytes().to_string(),
            ]);
        }
        self.show(table);
        let ratio = rows[1].ratio(&rows[0], Measure::cpu_us);
        self.aims.push(Aim::at_most(
            "a deep page's CPU, over the first's",
            1.1,
            ratio,
        ));
        Ok(())
    }
}
