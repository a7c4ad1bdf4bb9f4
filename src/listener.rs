//! The TCP socket on which the service listens: one that systemd has opened, or its own.

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};

use listenfd::ListenFd;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tokio::net::TcpSocket;

/// The listen backlog: the number of connections that may wait to be accepted. The kernel drops further ones, and their
/// clients retry after a second. `net.core.somaxconn` limits the backlog.
const BACKLOG: u32 = 4096;

/// The reason why the service cannot listen, with a remedy.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Binding the address failed.
    #[error("cannot listen on {address}{}", Remedy(.source.kind()))]
    Address {
        /// The address of `BIND_ADDRESS`.
        address: SocketAddr,
        /// The operating system's error.
        source: io::Error,
    },
    /// systemd has passed something other than a single listening TCP socket.
    #[error(
        "cannot use the socket of the service manager: the socket unit must have one `ListenStream=` with a TCP port, and \
         no `Accept=yes`"
    )]
    Passed(#[source] io::Error),
}

/// The remedy after binding an address has failed.
struct Remedy(ErrorKind);

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            ErrorKind::AddrInUse => " (stop the process that has this address, or set BIND_ADDRESS to another one)",
            ErrorKind::AddrNotAvailable => " (set BIND_ADDRESS to an address of this machine)",
            ErrorKind::PermissionDenied => " (set BIND_ADDRESS to a port above 1023, or grant CAP_NET_BIND_SERVICE)",
            _ => "",
        })
    }
}

/// The socket on which the service listens.
pub struct Listener {
    /// The socket, listening and non-blocking.
    pub socket: TcpListener,
    /// Whether systemd holds the socket, too. It then outlives the process, so connections that are not accepted wait
    /// for the next process.
    pub is_held: bool,
}

/// The socket that systemd has passed ([`LISTEN_FDS`]), if there is one, or a new one that is bound to `address`.
///
/// [`LISTEN_FDS`]: https://www.freedesktop.org/software/systemd/man/latest/sd_listen_fds.html
pub fn listen(address: SocketAddr) -> Result<Listener, ListenError> {
    if let Some(socket) = passed().map_err(ListenError::Passed)? {
        return Ok(Listener { socket, is_held: true });
    }
    let socket = bind(address).map_err(|source| ListenError::Address { address, source })?;
    Ok(Listener { socket, is_held: false })
}

fn passed() -> io::Result<Option<TcpListener>> {
    let mut sockets = ListenFd::from_env();
    if sockets.len() > 1 {
        return Err(io::Error::other(format!("found {} sockets", sockets.len())));
    }
    // The copy is closed in child processes, unlike the original.
    let listener = sockets.take_tcp_listener(0)?.map(|listener| listener.try_clone()).transpose()?;
    listener.iter().try_for_each(|listener| {
        check_that_it_listens(listener)?;
        listener.set_nonblocking(true)
    })?;
    Ok(listener)
}

/// Without this check, a socket that does not listen would be served in silence.
fn check_that_it_listens(listener: &TcpListener) -> io::Result<()> {
    if TcpStream::from(OwnedFd::from(listener.try_clone()?)).peer_addr().is_ok() {
        return Err(io::Error::other("it is a connection"));
    }
    // The kernel says of a TCP socket that neither listens nor is connected that it was hung up.
    let mut sockets = [PollFd::new(listener.as_fd(), PollFlags::empty())];
    poll(&mut sockets, PollTimeout::ZERO)?;
    let is_idle = sockets[0].revents().is_some_and(|events| events.contains(PollFlags::POLLHUP));
    if is_idle { Err(io::Error::other("it is bound, but does not listen")) } else { Ok(()) }
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // Allows a restart while connections of the previous process are in TIME_WAIT.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)?.into_std()
}
