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
        let mut heads = vec!["scenario".to_owned()];
        let size = |shop: &Shop| format!("{} rows", shop.products);
        heads.extend(shops.iter().map(|shop| format!("CPU us, {}", size(shop))));
        heads.extend(shops.iter().map(|shop| format!("a second, {}", size(shop))));
        heads.extend(shops.iter().map(|shop| format!("p99 ms, {}", size(shop))));
        heads.push("CPU, largest over smallest".to_owned());
        let heads: Vec<&str> = heads.iter().map(String::as_str).collect();
        let title = "Scenarios by size: so many products, and as many orders placed before";
        let mut table = Table::new(title, &heads);
        let mut curves = Vec::new();
        let mut memory = vec![0; shops.len()];
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
            let points = shops
                .iter()
                .zip(&rows)
                .filter_map(|(shop, row)| Some((shop.products as f64, row.cpu_us()?)));
            curves.push(Curve {
                name: scenario.name().to_owned(),
                points: points.collect(),
            });
            for (row, memory) in rows.iter().zip(&mut memory) {
                let all = row.all();
                self.inspect(&row.server, &all);
                *memory = all.resident.unwrap_or(0).max(*memory);
            }
            if scenario != Scenario::Search {
                let largest = shops.last().map_or(0, |shop| shop.products);
                let what = format!(
                    "{}: CPU at {largest} products and orders, over the smallest",
                    scenario.name()
                );
                self.aims.push(Aim::at_most(&what, 1.3, ratio));
            }
        }
        self.show(table);
        let mut table = Table::new(
            "Memory under load, the most that was seen after a turn",
            &["products and orders", "RSS MiB"],
        );
        for (shop, memory) in shops.iter().zip(memory) {
            table.push([shop.products.to_string(), figure(table::mib(memory))]);
            if shop.products == 100_000 {
                let what = "RSS with 100,000 products under load, MiB";
                self.aims
                    .push(Aim::at_most(what, 150.0, Some(table::mib(memory))));
            }
        }
        self.show(table);
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
