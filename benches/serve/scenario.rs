//! Scenarios: what a visitor asks in each, and what must be answered.

use std::sync::Arc;

use clap::ValueEnum;
use hyper::header::{HeaderValue, LINK};
use hyper::{Method, StatusCode};
use memchr::memmem;
use tokio::task::JoinSet;

use super::client::{Ask, Client, Heard, Lost};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Scenario {
    Detail,
    List,
    Search,
    Login,
    CartAdd,
    Checkout,
    OrderList,
    Mixed,
}

impl Scenario {
    pub const ALL: [Self; 8] = [
        Self::Detail,
        Self::List,
        Self::Search,
        Self::Login,
        Self::CartAdd,
        Self::Checkout,
        Self::OrderList,
        Self::Mixed,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Detail => "detail",
            Self::List => "list of 50",
            Self::Search => "search",
            Self::Login => "login",
            Self::CartAdd => "cart add",
            Self::Checkout => "checkout",
            Self::OrderList => "order list",
            Self::Mixed => "mixed day",
        }
    }

    /// Connections of the closed loop. Writes share an fsync, so they come in greater numbers; a
    /// login takes a core for 30 ms, so more of them only wait for one another.
    pub fn connections(self) -> usize {
        match self {
            Self::Login => 4,
            Self::CartAdd | Self::Checkout | Self::Mixed => 64,
            Self::Detail | Self::List | Self::Search | Self::OrderList => 32,
        }
    }
}

/// Words that people search for, as in the catalogue, cut short, and misspelt.
const SEARCHES: [&str; 12] = [
    "thinkpad",
    "wireless headphones",
    "usb-c",
    "samsung galaxy",
    "gaming laptop",
    "4k monitor",
    "macb",
    "keybo",
    "mous",
    "lapotp",
    "blutooth speaker",
    "ssd 1 tb",
];

/// Rows of a page of products or of a search; a server that knows no pages answers with all.
const LIST: &str = "/products/products/?limit=50";
const PAGE: usize = 20;

/// Somebody who buys.
#[derive(Clone, Debug)]
pub struct Account {
    pub username: String,
    pub token: HeaderValue,
}

/// What there is in a shop to be asked for.
#[derive(Clone, Debug)]
pub struct Contents {
    pub products: Vec<u64>,
    pub password: String,
    /// Each on a connection of their own, whose cart nobody else touches.
    pub buyers: Vec<Account>,
    /// They have orders and place no more.
    pub readers: Vec<Account>,
}

/// A request that changes nothing, and how many bytes its answer has, each time.
#[derive(Clone, Debug)]
struct Known {
    ask: Ask,
    bytes: u64,
}

/// What one buyer asks.
#[derive(Clone)]
struct Buyer {
    adds: Vec<Ask>,
    order: Ask,
    cart: Ask,
    login: Ask,
}

/// Everything that is asked of one server.
pub struct Questions {
    details: Vec<Known>,
    list: Known,
    searches: Vec<Known>,
    order_lists: Vec<Known>,
    buyers: Vec<Buyer>,
}

/// What came of it.
pub enum Verdict {
    Good {
        bytes: u64,
    },
    /// It says no, which nobody here deserves.
    Refused(StatusCode),
    /// It says yes and something else than it should.
    Wrong(String),
}

impl Questions {
    /// Asks each question once, to know its answer's length from then on.
    pub async fn learn(address: &str, contents: &Contents) -> Result<Self, String> {
        let detail = |id: &u64| Ask::get(&format!("/products/detail/{id}/"));
        let search = |words: &&str| {
            let mut query = form_urlencoded::Serializer::new(String::new());
            let query = query
                .append_pair("q", words)
                .append_pair("limit", &PAGE.to_string());
            Ask::get(&format!("/products/search/?{}", query.finish()))
        };
        let orders =
            |reader: &Account| Ask::get(&format!("/orders/list/?limit={PAGE}")).by(&reader.token);
        let mut list = learn(address, vec![Ask::get(LIST)]).await?;
        Ok(Self {
            details: learn(address, contents.products.iter().map(detail).collect()).await?,
            list: list.remove(0),
            searches: learn(address, SEARCHES.iter().map(search).collect()).await?,
            order_lists: learn(address, contents.readers.iter().map(orders).collect()).await?,
            buyers: contents
                .buyers
                .iter()
                .enumerate()
                .map(|(at, buyer)| Buyer::of(contents, at, buyer))
                .collect(),
        })
    }

    /// The same with another page of the products as its list, so many rows down.
    pub async fn with_page(&self, address: &str, depth: u64) -> Result<Self, String> {
        let mut client = Client::new(address);
        let mut page = Ask::get("/products/products/?limit=1000");
        let mut cursor = None;
        for _ in 0..(depth / 1_000).max(1) {
            let answer = client.fetch(&page).await.map_err(|lost| lost.to_string())?;
            let link = answer.headers.get(LINK).and_then(|link| link.to_str().ok());
            let Some((_, rest)) = link.and_then(|link| link.split_once("cursor=")) else {
                break; // The list ends here.
            };
            let place = rest.split(['>', '&']).next().unwrap_or_default();
            page = Ask::get(&format!("/products/products/?limit=1000&cursor={place}"));
            cursor = Some(place.to_owned());
        }
        let deep = cursor.map_or_else(|| LIST.to_owned(), |place| format!("{LIST}&cursor={place}"));
        Ok(Self {
            list: learn(address, vec![Ask::get(&deep)]).await?.remove(0),
            details: self.details.clone(),
            searches: self.searches.clone(),
            order_lists: self.order_lists.clone(),
            buyers: self.buyers.clone(),
        })
    }

    /// Buyers there are, and so connections that may write.
    pub fn buyers(&self) -> usize {
        self.buyers.len()
    }

    /// One question of each kind with the beginning of its path.
    pub fn samples(&self) -> Vec<(&'static str, Ask)> {
        let buyer = &self.buyers[0];
        vec![
            ("/products/detail/", average(&self.details)),
            ("/products/products/", self.list.ask.clone()),
            ("/products/search/", average(&self.searches)),
            ("/auth/login/", buyer.login.clone()),
            ("/cart/cart-add/", buyer.adds[0].clone()),
            ("/cart/cart/", buyer.cart.clone()),
            ("/orders/create/", buyer.order.clone()),
            ("/orders/list/", average(&self.order_lists)),
        ]
    }
}

/// The question whose answer's length is nearest to the mean, to stand for all.
fn average(known: &[Known]) -> Ask {
    let mean = known.iter().map(|known| known.bytes).sum::<u64>() / known.len() as u64;
    let nearest = known.iter().min_by_key(|known| known.bytes.abs_diff(mean));
    nearest.expect("there are questions").ask.clone()
}

impl Buyer {
    fn of(contents: &Contents, at: usize, account: &Account) -> Self {
        let products = &contents.products;
        let add = |turn: usize| {
            // Apart from those of the other buyers, and spread over the whole shop.
            let product = products[(at * 7_919 + turn * 104_729) % products.len()];
            let body = format!(r#"{{"product_id":{product},"quantity":1}}"#);
            Ask::post("/cart/cart-add/", body).by(&account.token)
        };
        let (username, password) = (&account.username, &contents.password);
        let login = format!(r#"{{"username":"{username}","password":"{password}"}}"#);
        Self {
            adds: (0..256).map(add).collect(),
            order: Ask::post("/orders/create/", "").by(&account.token),
            cart: Ask::get("/cart/cart/").by(&account.token),
            login: Ask::post("/auth/login/", login),
        }
    }
}

/// Asks them all, eight at a time.
async fn learn(address: &str, asks: Vec<Ask>) -> Result<Vec<Known>, String> {
    let asks: Arc<[Ask]> = asks.into();
    let mut learners = JoinSet::new();
    let share = asks.len().div_ceil(8).max(1);
    for from in (0..asks.len()).step_by(share) {
        let (asks, mut client) = (Arc::clone(&asks), Client::new(address));
        learners.spawn(async move {
            let mut known = Vec::new();
            for ask in asks.iter().skip(from).take(share) {
                let heard = client.ask(ask).await.map_err(|lost| lost.to_string())?;
                if heard.status != StatusCode::OK {
                    return Err(format!("{} answers {}", ask.uri, heard.status));
                }
                let (ask, bytes) = (ask.clone(), heard.bytes);
                known.push(Known { ask, bytes });
            }
            Ok((from, known))
        });
    }
    let mut shares = Vec::new();
    while let Some(share) = learners.join_next().await {
        shares.push(share.expect("no learner panicked")?);
    }
    shares.sort_by_key(|(from, _)| *from);
    Ok(shares.into_iter().flat_map(|(_, known)| known).collect())
}

/// Somebody on a connection.
pub struct Visitor {
    client: Client,
    questions: Arc<Questions>,
    buyer: usize,
    random: u64,
}

impl Visitor {
    pub fn new(address: &str, questions: &Arc<Questions>, at: usize, seed: u64) -> Self {
        let seed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (at as u64 + 1);
        Self {
            client: Client::new(address),
            questions: Arc::clone(questions),
            buyer: at % questions.buyers(),
            random: seed.wrapping_mul(0x2545_f491_4f6c_dd1d) | 1,
        }
    }

    pub async fn connect(&mut self) -> Result<(), Lost> {
        self.client.connect().await
    }

    /// A number below this one (Marsaglia, "Xorshift RNGs", 2003).
    fn below(&mut self, end: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let end = u64::try_from(end).expect("a usize is no wider");
        usize::try_from((self.random >> 11) % end).expect("it is below a usize")
    }

    /// Does once what is done in this scenario.
    pub async fn act(&mut self, scenario: Scenario) -> Result<Verdict, Lost> {
        match scenario {
            Scenario::Detail => self.read(|all| &all.details).await,
            Scenario::List => self.read(|all| std::slice::from_ref(&all.list)).await,
            Scenario::Search => self.read(|all| &all.searches).await,
            Scenario::OrderList => self.read(|all| &all.order_lists).await,
            Scenario::Login => {
                let login = self.questions.buyers[self.buyer].login.clone();
                self.write(&login, StatusCode::OK, br#""access":"#).await
            }
            Scenario::CartAdd => self.add(1).await, // The same again: the cart stays one line long.
            Scenario::Checkout => self.check_out(256).await,
            Scenario::Mixed => match self.below(100) {
                0..40 => self.read(|all| &all.details).await,
                40..60 => self.read(|all| std::slice::from_ref(&all.list)).await,
                60..80 => self.read(|all| &all.searches).await,
                80..90 => self.add(3).await,
                90..95 => {
                    let cart = self.questions.buyers[self.buyer].cart.clone();
                    self.write(&cart, StatusCode::OK, br#""items":"#).await
                }
                95..99 => self.check_out(3).await,
                _ => self.read(|all| &all.order_lists).await,
            },
        }
    }

    async fn read(&mut self, of: impl Fn(&Questions) -> &[Known]) -> Result<Verdict, Lost> {
        let questions = Arc::clone(&self.questions);
        let known = of(&questions);
        let known = &known[self.below(known.len())];
        let heard = self.client.ask(&known.ask).await?;
        Ok(judge(&known.ask, &heard, StatusCode::OK, |heard| {
            heard.bytes == known.bytes
        }))
    }

    /// Puts one of the buyer's first products in the cart.
    async fn add(&mut self, of: usize) -> Result<Verdict, Lost> {
        let turn = self.below(of);
        let add = self.questions.buyers[self.buyer].adds[turn].clone();
        self.write(&add, StatusCode::OK, br#""items":"#).await
    }

    async fn check_out(&mut self, of: usize) -> Result<Verdict, Lost> {
        let added = self.add(of).await?;
        let Verdict::Good { bytes: before } = added else {
            return Ok(added);
        };
        let order = self.questions.buyers[self.buyer].order.clone();
        let placed = self
            .write(&order, StatusCode::CREATED, br#""status":"new""#)
            .await?;
        Ok(match placed {
            Verdict::Good { bytes } => Verdict::Good {
                bytes: bytes + before,
            },
            other => other,
        })
    }

    /// Its answer's length may change from one time to the next; a word in it does not.
    async fn write(&mut self, ask: &Ask, status: StatusCode, word: &[u8]) -> Result<Verdict, Lost> {
        let heard = self.client.ask(ask).await?;
        Ok(judge(ask, &heard, status, |heard| {
            memmem::find(&heard.opening, word).is_some()
        }))
    }
}

fn judge(
    ask: &Ask,
    heard: &Heard,
    status: StatusCode,
    is_right: impl Fn(&Heard) -> bool,
) -> Verdict {
    if !heard.status.is_success() {
        Verdict::Refused(heard.status)
    } else if heard.status == status && is_right(heard) {
        Verdict::Good { bytes: heard.bytes }
    } else {
        let verb = if ask.method == Method::GET {
            "GET"
        } else {
            "POST"
        };
        let (path, status, bytes) = (&ask.uri, heard.status, heard.bytes);
        Verdict::Wrong(format!(
            "{verb} {path} was answered {status} with {bytes} bytes, which is not what it should be"
        ))
    }
}
