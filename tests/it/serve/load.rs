//! Many clients at once while generations are switched: no error, no torn update, no growing memory.
//!
//! Each small client does what apt does: reads a signed-like index, then a file that it names by hash, then a package that
//! this one names, all on one connection, and checks each by digest. Each large client fetches an image in ranges that belong
//! together by If-Range, and checks the whole. It lasts until each client has had its turn twice, and `GAPFERRY_LOAD_SECONDS` at least, by default four.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use gapferry::digest::Sha256;
use gapferry::kind::Kind;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::tree::{desk, generation, noise, published};
use crate::support::desk::Desk;

const SMALL: usize = 500;
const LARGE: usize = 50;
/// Size of an image, in bytes.
const IMAGE: usize = 3 << 20;
/// Size of a range, in bytes.
const RANGE: usize = 700_000;

/// Generation `number`: all that it has names nothing but itself, with a package and an image of its own.
fn publish(desk: &Desk, number: u64) {
    let packages: Vec<(String, Vec<u8>)> =
        (0..8).map(|n| (format!("pool/p{n}_{number}.deb"), noise(number * 100 + n, 4096))).collect();
    let named = |(path, bytes): &(String, Vec<u8>)| format!("{path} {}\n", Sha256::of(bytes));
    let index: String = packages.iter().map(named).collect();
    let digest = Sha256::of(index.as_bytes());
    let release = format!("by-hash/SHA256/{digest} {digest}\n");
    let image = noise(number, IMAGE);
    let stream = format!("{number}/disk.img {}\n", Sha256::of(&image));
    let mut files = vec![
        ("apt/u/dists/x/InRelease".to_owned(), release.into_bytes()),
        (format!("apt/u/dists/x/by-hash/SHA256/{digest}"), index.into_bytes()),
        ("images/m/streams/v1/index.json".to_owned(), stream.into_bytes()),
        (format!("images/m/{number}/disk.img"), image),
    ];
    files.extend(packages.into_iter().map(|(path, bytes)| (format!("apt/u/{path}"), bytes)));
    let what = [published(Kind::Apt, "u", "http://u.test/u"), published(Kind::Images, "m", "http://m.test/")];
    generation(desk, number, &what, &files);
}

/// A connection that is kept.
struct Connection {
    stream: TcpStream,
    left: Vec<u8>,
}

impl Connection {
    async fn open(address: &str) -> Self {
        Self { stream: TcpStream::connect(address).await.unwrap(), left: Vec::new() }
    }

    /// Status, entity tag and body.
    async fn get(&mut self, target: &str, headers: &str) -> (u16, String, Vec<u8>) {
        let request = format!("GET {target} HTTP/1.1\r\nHost: a.test\r\n{headers}\r\n");
        self.stream.write_all(request.as_bytes()).await.unwrap();
        let end = loop {
            match self.left.windows(4).position(|window| window == b"\r\n\r\n") {
                Some(end) => break end + 4,
                None => self.more(target).await,
            }
        };
        let head = String::from_utf8(self.left.drain(..end).collect()).unwrap();
        let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().to_owned();
        let length: usize = header("content-length: ").parse().unwrap();
        while self.left.len() < length {
            self.more(target).await;
        }
        (head[9..12].parse().unwrap(), header("etag: "), self.left.drain(..length).collect())
    }

    async fn more(&mut self, target: &str) {
        let read = self.stream.read_buf(&mut self.left).await.unwrap();
        assert!(read > 0, "the connection ended in {target}");
    }

    /// A file that must be there, with this digest.
    async fn checked(&mut self, path: &str, digest: &str) -> Vec<u8> {
        let (status, _, body) = self.get(path, "").await;
        assert!(status == 200 && Sha256::of(&body).to_string() == digest, "{path}: {status}");
        body
    }
}

/// The first word of each line, with the second.
fn rows(bytes: Vec<u8>) -> Vec<(String, String)> {
    let text = String::from_utf8(bytes).unwrap();
    text.lines().filter_map(|line| line.split_once(' ')).map(|(a, b)| (a.to_owned(), b.to_owned())).collect()
}

async fn update(connection: &mut Connection, number: usize) {
    let (status, _, release) = connection.get("/apt/u/dists/x/InRelease", "").await;
    assert_eq!(status, 200);
    let (path, digest) = rows(release).remove(0);
    let index = rows(connection.checked(&format!("/apt/u/dists/x/{path}"), &digest).await);
    let (path, digest) = &index[number % index.len()];
    connection.checked(&format!("/apt/u/{path}"), digest).await;
}

async fn image(connection: &mut Connection) {
    let (status, _, stream) = connection.get("/images/m/streams/v1/index.json", "").await;
    assert_eq!(status, 200);
    let (path, digest) = rows(stream).remove(0);
    let (mut whole, mut condition) = (Vec::with_capacity(IMAGE), String::new());
    while whole.len() < IMAGE {
        let range = format!("Range: bytes={}-{}\r\n{condition}", whole.len(), whole.len() + RANGE - 1);
        let (status, tag, body) = connection.get(&format!("/images/m/{path}"), &range).await;
        assert_eq!(status, 206, "{path}");
        condition = format!("If-Range: {tag}\r\n");
        whole.extend(body);
    }
    assert_eq!(Sha256::of(&whole).to_string(), digest, "{path}");
}

#[test]
fn hundreds_of_clients_see_no_tear_while_generations_come() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
    let seconds = std::env::var("GAPFERRY_LOAD_SECONDS").map_or(4.0, |text| text.parse().unwrap());
    let desk = desk();
    publish(&desk, 1);
    let serving = desk.serve();
    let address: Arc<str> = serving.address.as_str().into();
    let (over, updates, images) =
        (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let clients: Vec<_> = (0..SMALL + LARGE)
        .map(|number| {
            let (address, over) = (address.clone(), over.clone());
            let count = if number < SMALL { updates.clone() } else { images.clone() };
            runtime.spawn(async move {
                let mut connection = Connection::open(&address).await;
                while !over.load(Ordering::Relaxed) {
                    if number < SMALL {
                        update(&mut connection, number).await
                    } else {
                        image(&mut connection).await
                    }
                    count.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let started = Instant::now();
    let (mut number, mut warm) = (1, 0);
    let turns = || {
        let [updates, images] = [&updates, &images].map(|count| count.load(Ordering::Relaxed) as usize);
        (updates / SMALL).min(images / LARGE)
    };
    while started.elapsed().as_secs_f64() < seconds || turns() < 2 || number <= 3 {
        assert!(started.elapsed().as_secs_f64() < seconds + 300.0, "the clients come to nothing: {}", turns());
        std::thread::sleep(Duration::from_millis(200));
        number += 1;
        publish(&desk, number);
        if warm == 0 && turns() > 0 {
            warm = serving.peak_kib();
        }
    }
    over.store(true, Ordering::Relaxed);
    for client in clients {
        runtime.block_on(client).expect("a client was not content");
    }
    let (updates, images) = (updates.load(Ordering::Relaxed), images.load(Ordering::Relaxed));
    println!(
        "{number} generations, {updates} updates, {images} images; {} KiB at most, {warm} KiB at first",
        serving.peak_kib()
    );
    assert!(serving.peak_kib() - warm < 32 << 10, "from {warm} to {} KiB", serving.peak_kib());
}
