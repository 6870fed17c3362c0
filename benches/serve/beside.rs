//! Scenarios beside the ceiling and a peer, and browsing beside checkouts.

use std::fs::File;
use std::process::Stdio;
use std::time::Duration;

use super::charts::Group;
use super::load::{self, Measure, Target};
use super::process::Process;
use super::report::Chart;
use super::scenario::Scenario;
use super::table::{self, Aim, Row, Table, figure, median};
use super::{Bench, Shop, filled};

impl Bench {
    /// Every scenario at every server by turns, so that a machine that slows down slows all.
    pub fn compare(
        &mut self,
        shop: &Shop,
        ceiling: &Target,
        peer: Option<&Target>,
    ) -> Result<(), String> {
        let servers: Vec<&Target> = [&shop.target, ceiling].into_iter().chain(peer).collect();
        let mut rows = Vec::new();
        for scenario in self.options.scenarios() {
            self.say(&format!("{} beside the ceiling", scenario.name()));
            let mut some = self.by_turns(scenario, &servers);
            rows.append(&mut some);
        }
        for row in &rows {
            self.inspect(&row.server, &row.all());
        }
        self.show(table::scenarios(&rows, "ceiling"));
        if self.options.only.is_empty() {
            self.compare_logging(shop)?;
        }
        let of = |scenario, server: &str| {
            rows.iter()
                .find(|row| row.scenario == scenario && row.server == server)
        };
        for (scenario, least, what) in [
            (Scenario::Detail, 0.85, "detail: a second, of the ceiling's"),
            (
                Scenario::List,
                0.5,
                "list of 50: a second, of a constant's of the same size",
            ),
        ] {
            if let Some((ours, limit)) = of(scenario, "ours").zip(of(scenario, "ceiling")) {
                let ratio = ours.ratio(limit, |run| Some(run.per_second()));
                self.aims.push(Aim::at_least(what, least, ratio));
            }
        }
        for (scenario, least) in [(Scenario::Detail, 200.0), (Scenario::List, 500.0)] {
            if let Some((ours, peer)) = of(scenario, "ours").zip(of(scenario, "peer")) {
                let what = format!("{}: the peer's CPU over ours", scenario.name());
                self.aims.push(Aim::at_least(
                    &what,
                    least,
                    peer.ratio(ours, Measure::cpu_us),
                ));
            }
        }
        let checkouts = |server| of(Scenario::Checkout, server);
        if let Some((ours, peer)) = checkouts("ours").zip(checkouts("peer")) {
            let ratio = ours.ratio(peer, |run| Some(run.per_second()));
            let what = "checkouts a second, over the peer's";
            self.aims.push(Aim::at_least(what, 100.0, ratio));
        }
        let names: Vec<String> = servers.iter().map(|server| server.name.clone()).collect();
        let group = |scenario: Scenario| Group {
            name: scenario.name().to_owned(),
            values: names
                .iter()
                .map(|name| of(scenario, name).map(Row::per_second))
                .collect(),
        };
        let groups: Vec<Group> = self.options.scenarios().into_iter().map(group).collect();
        let says = "Done a second in the closed loop. The ceiling is a bare hyper server that answers the same bytes from a constant; \
                    a checkout is two requests, of which each is answered after an fsync.";
        self.charts
            .push(Chart::bars("Throughput", says, names, &groups, "a second"));
        Ok(())
    }

    /// A scenario at each of the servers in turn, again and again.
    pub fn by_turns(&self, scenario: Scenario, servers: &[&Target]) -> Vec<Row> {
        let connections = |server: &Target| scenario.connections().min(server.questions.buyers());
        let mut rows: Vec<Row> = servers
            .iter()
            .map(|server| Row {
                scenario,
                server: server.name.clone(),
                connections: connections(server),
                runs: Vec::new(),
            })
            .collect();
        for _ in 0..self.options.repetitions() {
            for (server, row) in servers.iter().zip(&mut rows) {
                let time = self.options.seconds();
                let run = load::closed(server, scenario, row.connections, time);
                row.runs.push(self.runtime.block_on(run));
            }
        }
        rows
    }

    /// What it costs to log each request, which is how a shop is opened unless it is told otherwise.
    fn compare_logging(&mut self, shop: &Shop) -> Result<(), String> {
        self.say("detail with a log");
        let folder = self.folder.join("logging");
        self.runtime
            .block_on(filled::fill(&folder, shop.products, 0));
        let log = File::create(self.folder.join("log")).expect("the folder takes a file");
        let process = Process::shop_with(&folder, "info", Stdio::from(log));
        self.until_ready(&process.address)?;
        let logging = self.target(&process, "ours, logging", shop.products)?.0;
        let rows = self.by_turns(Scenario::Detail, &[&shop.target, &logging]);
        let title = "Detail, with a line logged of each request, to a file";
        let mut table = Table::new(title, &["server", "a second", "CPU us each"]);
        for row in &rows {
            self.inspect(&row.server, &row.all());
            let cpu = table::maybe(row.cpu_us());
            table.push([row.server.clone(), figure(row.per_second()), cpu]);
        }
        self.show(table);
        Ok(())
    }

    /// What browsing feels of checkouts: products asked for at a steady pace, while nobody buys
    /// and while as many buy as can, by turns.
    pub fn browse_beside_checkouts(&mut self, shop: &Shop) {
        self.say("browsing beside checkouts");
        let (time, pace) = (
            self.options.seconds().max(Duration::from_millis(50)) * 2,
            1_000.0,
        );
        let browse = || load::open(&shop.target, Scenario::Detail, 32, pace, time);
        let mut alone = Vec::new();
        let mut beside = Vec::new();
        let mut orders = Vec::new();
        for _ in 0..self.options.repetitions() {
            alone.push(self.runtime.block_on(browse()));
            let buy = load::closed(&shop.target, Scenario::Checkout, 64, time);
            let (browsing, buying) = self.runtime.block_on(async { tokio::join!(browse(), buy) });
            self.inspect("ours", &buying);
            orders.push(buying.per_second());
            beside.push(browsing);
        }
        let title = format!(
            "Products asked for {pace:.0} times a second, alone and beside 64 buyers who never pause"
        );
        let mut table = Table::new(
            &title,
            &["", "p50 ms", "p99 ms", "p99.9 ms", "orders a second"],
        );
        let mut put = |name: &str, runs: &[Measure], orders: Option<f64>| {
            let all = Measure::together(runs);
            let at = |quantile| figure(all.quantile_ms(quantile));
            table.push([
                name.to_owned(),
                at(0.5),
                at(0.99),
                at(0.999),
                table::maybe(orders),
            ]);
        };
        put("alone", &alone, None);
        put("beside checkouts", &beside, median(orders.into_iter()));
        for run in alone.iter().chain(&beside) {
            self.inspect("ours", run);
        }
        self.show(table);
        let p99 = |run: &Measure| run.quantile_ms(0.99);
        let ratio = median(
            alone
                .iter()
                .zip(&beside)
                .map(|(alone, beside)| p99(beside) / p99(alone)),
        );
        let what = "browsing p99 beside checkouts, over alone";
        self.aims.push(Aim::at_most(what, 1.5, ratio));
    }
}
