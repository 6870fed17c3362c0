//! `serve`: opens the shop, tells where, and closes it in order.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use anyhow::Context;
use tokio::net::{TcpSocket, lookup_host};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use super::{Ended, Signals, demo};
use crate::app::{App, AppError};
use crate::causes::causes;
use crate::http::{Door, Tls};
use crate::settings::{CommandLine, Serve};
use crate::store::{Folder, FolderError};

/// Connections that may wait to be let in.
const BACKLOG: u32 = 1_024;

pub async fn serve(line: &CommandLine, settings: &Serve) -> anyhow::Result<Ended> {
    // What can't be done is said before a shop is made for it.
    let door = settings.door()?;
    let socket = reserve(line, &settings.listen).await?;
    let doing = format!("serving at {}", settings.listen);
    let app = App::open(&line.data_dir, line.store_limits(), &doing)?;
    let mut signals = Signals::listen()?;
    let ended = serve_open(&app, &mut signals, line, settings, door, socket).await;
    if let Ok(Ended::CutShort) = ended {
        return ended;
    }
    tokio::select! {
        closed = app.close() => closed?,
        () = signals.next() => return Ok(Ended::CutShort),
    }
    ended
}

/// Takes the address, without listening yet: who comes before the shop is open is turned away.
async fn reserve(line: &CommandLine, address: &str) -> anyhow::Result<TcpSocket> {
    let error = match bind(address).await {
        Ok(socket) => return Ok(socket),
        Err(error) => error,
    };
    // Most often it is this very shop that listens there.
    if let Err(error @ FolderError::Held { .. }) = Folder::hold_existing(&line.data_dir) {
        return Err(AppError::from(error).into());
    }
    Err(error)
        .with_context(|| format!("can't listen at {address}; name another address with --listen"))
}

async fn bind(address: &str) -> io::Result<TcpSocket> {
    let mut failed = io::ErrorKind::AddrNotAvailable.into();
    for address in lookup_host(address).await? {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        // A shop that was closed a moment ago may have left connections to the kernel.
        socket.set_reuseaddr(true)?;
        match socket.bind(address) {
            Ok(()) => return Ok(socket),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

async fn serve_open(
    app: &App,
    signals: &mut Signals,
    line: &CommandLine,
    settings: &Serve,
    door: Door,
    socket: TcpSocket,
) -> anyhow::Result<Ended> {
    let mut hangup = signal(SignalKind::hangup())?;
    let tls = door.tls.clone();
    let scheme = if tls.is_some() { "https" } else { "http" };
    let listener = socket.listen(BACKLOG)?;
    let address = listener.local_addr()?;
    app.sign(&format!("serving at {scheme}://{}", reachable(address)));
    let api = app.api(settings.passwords.policy(), settings.rates())?;
    let demo = if settings.demo {
        Some(demo::fill(&app.store).await?)
    } else {
        None
    };
    greet(&format!("{scheme}://{address}"), line, demo);

    let (stop, stopped) = oneshot::channel::<()>();
    let mut serving = Box::pin(app.serve(listener, door, api, async {
        let _ = stopped.await;
    }));
    loop {
        tokio::select! {
            () = &mut serving => return Ok(Ended::Well),
            () = signals.next() => break,
            _ = hangup.recv() => reload(tls.as_deref()),
        }
    }
    tracing::info!("closing: requests under way are finished; a second signal ends at once");
    drop(stop);
    tokio::select! {
        () = serving => Ok(Ended::Well),
        () = signals.next() => Ok(Ended::CutShort),
    }
}

/// Shows new certificates from now on, if there are any.
fn reload(tls: Option<&Tls>) {
    let Some(tls) = tls else {
        tracing::info!("SIGHUP: there is no certificate to read again");
        return;
    };
    match tls.reload() {
        Ok(()) => tracing::info!("the certificate was read again"),
        Err(error) => tracing::error!(
            causes = causes(&error),
            "the certificate can't be read again; the one before goes on being shown"
        ),
    }
}

/// The address by which a process on this machine reaches it.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        let loopback = match address {
            SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
            SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        };
        address.set_ip(loopback);
    }
    address
}

#[expect(
    clippy::print_stdout,
    reason = "the greeting is for the person at the terminal"
)]
fn greet(url: &str, line: &CommandLine, demo: Option<demo::Filled>) {
    let version = env!("CARGO_PKG_VERSION");
    let folder = line.data_dir.display();
    println!("electron-market {version} is open at {url}/ with its data in {folder}");
    match demo {
        None => {}
        Some(demo::Filled::NotEmpty) => {
            println!("There are products already, so --demo added nothing.");
        }
        Some(demo::Filled::New {
            products,
            customer,
            admin,
        }) => {
            let demo::Account { username, password } = customer;
            println!(
                "\n{products} products are on the shelf. Two accounts, their passwords shown this once:\n\
                 \x20 customer  {username}  {password}\n\
                 \x20 admin     {}  {}\n\
                 \nTry:\n\
                 \x20 curl '{url}/products/search/?q=laptop&max_price=1000&limit=3'\n\
                 \x20 curl {url}/auth/login/ -H 'Content-Type: application/json' -d '{{\"username\": \"{username}\", \"password\": \"{password}\"}}'\n\
                 \x20 curl '{url}/api/schema/?format=json'\n\
                 \nCtrl-C closes the shop; what is in it stays.",
                admin.username, admin.password,
            );
        }
    }
}
