//! Few open files: the server divides what the system allows, and answers for ever.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;

use gapferry::cli::Exit;
use gapferry::kind::Kind;

use super::tree::{desk, generation, published};
use crate::support::desk::{Desk, Ended, PATIENCE, Serving, clean, end};
use crate::support::world::gapferry;

/// More files than any cache of open files has room for.
const FILES: usize = 700;

fn site() -> Desk {
    let desk = desk();
    let what = [published(Kind::Apt, "u", "http://u.test/")];
    let file = |number| (format!("apt/u/pool/f{number}.deb"), format!("file {number}").into_bytes());
    generation(&desk, 1, &what, &(0..FILES).map(file).collect::<Vec<_>>());
    desk
}

/// The server, which may have this many files open, in its soft and in its hard limit.
fn limited(desk: &Desk, files: u64) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n $0 && exec \"$@\"", &files.to_string()]).arg(gapferry());
    command.args(["serve", "--site", "site", "--listen", "127.0.0.1:0"]).current_dir(desk.path(""));
    clean(&mut command);
    command
}

/// A connection that is kept.
struct Kept(BufReader<TcpStream>);

impl Kept {
    fn open(serving: &Serving) -> Self {
        let stream = TcpStream::connect(&serving.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(BufReader::new(stream))
    }

    /// Asks for a file, and returns status and body; `None` if the server has closed the connection.
    fn ask(&mut self, number: usize) -> Option<(u16, Vec<u8>)> {
        let request = format!("GET /apt/u/pool/f{number}.deb HTTP/1.1\r\nHost: a\r\n\r\n");
        self.0.get_mut().write_all(request.as_bytes()).ok()?;
        let (mut head, mut line) = (Vec::new(), String::new());
        while self.0.read_line(&mut line).ok()? > 2 {
            head.push(std::mem::take(&mut line));
        }
        let length = head.iter().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        self.0.read_exact(&mut body).ok()?;
        Some((head.first()?.get(9..12)?.parse().ok()?, body))
    }
}

/// Asks for every file, on a few connections in turn.
fn every_file_is_answered(serving: &Serving) {
    let mut connections: Vec<Kept> = (0..4).map(|_| Kept::open(serving)).collect();
    for number in 0..FILES {
        let answer = connections[number % 4].ask(number);
        let expected = format!("file {number}").into_bytes();
        assert!(answer == Some((200, expected)), "file {number}: {:?}", answer.map(|(status, _)| status));
    }
}

#[test]
fn answers_with_few_open_files() {
    let desk = site();
    for files in [64, 100, 640] {
        let serving = Serving::start(limited(&desk, files));
        every_file_is_answered(&serving);
        // More connections than there can be: the server answers some, and tells the others that it is full.
        let mut crowd: Vec<Kept> = (0..400).map(|_| Kept::open(&serving)).collect();
        let answered = crowd.iter_mut().enumerate().filter_map(|(number, kept)| kept.ask(number));
        let statuses: Vec<u16> = answered.map(|(status, _)| status).collect();
        assert!(statuses.iter().all(|status| [200, 503].contains(status)), "{files}: {statuses:?}");
        assert!(statuses.iter().filter(|status| **status == 200).count() >= 4, "{files}: {statuses:?}");
        drop(crowd);
        crate::support::desk::wait_for(
            || format!("with {files} files the server is still full"),
            || (Kept::open(&serving).ask(0)?.0 == 200).then_some(()),
        );
        every_file_is_answered(&serving);
    }
}

#[test]
fn refuses_to_start_with_too_few_open_files() {
    let desk = site();
    let ended: Ended = end(&mut limited(&desk, 30));
    ended.says(Exit::Failed, &["allows this process 30 open files", "ulimit -n 1024", "LimitNOFILE"]);
}
