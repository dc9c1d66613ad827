//! Programs of the host inside a guest print, byte for byte, what they print on the host.
//!
//! Both sides get the same environment and the same input, which the test makes from a fixed seed. The host has more
//! instruction sets than the guest, so this also compares the programs' AVX paths with their SSE paths.

use crate::command::{Ran, info, reenact, verify};
use crate::guests::debian;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// Each line is run by bash in a directory where `text` is the input.
const SHELL_LINES: [(&str, &str); 24] = [
    ("bash", "i=0; s=0; while (( i < 20000 )); do (( s = (s * 31 + i) % 1000003, i++ )); done; echo $s"),
    (
        "bash",
        "declare -A n; while read -r a b _; do n[${a:0:2}]=$(( ${n[${a:0:2}]:-0} + ${#b} )); done < <(head -n 1000 text); for k in \"${!n[@]}\"; do echo $k ${n[$k]}; done | sort",
    ),
    ("bash", "printf '%q %08x %s\\n' 'it is' 48879 \"${PATH//bin/BIN}\"; echo ${BASH_VERSION%%.*}"),
    ("busybox", "busybox sort text | busybox sha256sum"),
    ("busybox", "busybox awk '{ n[length($1)]++ } END { for (k in n) print k, n[k] }' text | busybox sort -n"),
    ("busybox", "busybox sed -n 's/\\([a-z]*\\) \\([a-z]*\\).*/\\2-\\1/p' text | busybox tail -n 20"),
    ("busybox", "busybox tar c text | busybox gzip -9 | busybox zcat | busybox tar xO | busybox md5sum"),
    ("gzip", "gzip -9 -n -c text | cksum"),
    ("gzip", "gzip -1 -n -c text | gzip -dc | cmp - text && echo same"),
    ("xz", "xz -6 -T1 -c text | sha256sum"),
    ("xz", "xz --format=lzma -2 -c text | xz -dc | cmp - text && echo same"),
    ("bc", "echo 'scale = 600; 4 * a(1)' | BC_LINE_LENGTH=0 bc -l"),
    (
        "bc",
        "echo 'define f(n) { if (n < 2) return 1; return n * f(n - 1) }; f(700) % (10^61 + 7); 3^4000 / 7^900; sqrt(2 * 10^900)' | BC_LINE_LENGTH=0 bc",
    ),
    (
        "openssl",
        "openssl dgst -md5 -r text; openssl dgst -sha1 -r text; openssl dgst -sha256 -r text; openssl dgst -sha512 -r text; openssl dgst -sha3-256 -r text",
    ),
    (
        "openssl",
        "openssl enc -aes-256-cbc -K 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f -iv 0f0e0d0c0b0a09080706050403020100 -in text | sha256sum",
    ),
    (
        "openssl",
        "openssl enc -chacha20 -K 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f -iv 0f0e0d0c0b0a09080706050403020100 -in text | sha256sum",
    ),
    ("openssl", "openssl dgst -sha256 -hmac key -r text; openssl prime 170141183460469231731687303715884105727"),
    (
        "perl",
        "perl -ne '$n{lc $1}++ while /(\\w+)/g; END { print \"$_ $n{$_}\\n\" for (sort { $n{$b} <=> $n{$a} || $a cmp $b } keys %n)[0 .. 30] }' text",
    ),
    (
        "perl",
        "perl -e '$x = 0.5; $x = 3.9 * $x * (1 - $x) for 1 .. 20000; printf \"%.17g %a\\n\", $x, $x; print 2**0.5, \" \", 1e308 * 10, \" \", -1 / 3, \"\\n\"'",
    ),
    (
        "perl",
        "perl -e 'print join(\",\", map { sprintf \"%o\", $_ ** 3 } 1 .. 300), \"\\n\"; print unpack(\"%32C*\", \"x\" x 100000), \"\\n\"'",
    ),
    (
        "coreutils",
        "sha512sum text; b2sum text; base64 text | md5sum; sort -n -k3 text | cksum; factor 1000000007 18446744073709551557",
    ),
    (
        "coreutils",
        "od -A x -t x1z text | tail -n 3; wc text; tr a-y b-z < text | head -n 2; cut -d' ' -f2,3 text | sort -u | wc -l",
    ),
    ("grep", "grep -c 'a[b-f]*g' text; grep -E -o '(ab|ba){2,}[a-z]' text | sort | uniq -c | head"),
    ("sed", "sed -E 's/([a-z])([a-z])/\\2\\1/g; y/abc/xyz/' text | md5sum"),
];

/// What the shell lines start.
const HOST_PROGRAMS: [&str; 27] = [
    "/bin/busybox",
    "/usr/bin/gzip",
    "/usr/bin/xz",
    "/usr/bin/bc",
    "/usr/bin/openssl",
    "/usr/bin/perl",
    "/usr/bin/sort",
    "/usr/bin/head",
    "/usr/bin/tail",
    "/usr/bin/cksum",
    "/usr/bin/sha1sum",
    "/usr/bin/sha256sum",
    "/usr/bin/sha512sum",
    "/usr/bin/b2sum",
    "/usr/bin/md5sum",
    "/usr/bin/base64",
    "/usr/bin/cmp",
    "/usr/bin/factor",
    "/usr/bin/od",
    "/usr/bin/wc",
    "/usr/bin/tr",
    "/usr/bin/cut",
    "/usr/bin/uniq",
    "/usr/bin/grep",
    "/usr/bin/sed",
    "/usr/bin/cat",
    "/usr/bin/env",
];

const PYTHON: &str = r#"
import decimal, fractions, hashlib, heapq, json, math, random, re, struct, zlib
text = open("text", "rb").read()
print(hashlib.sha256(text).hexdigest(), hashlib.md5(text).hexdigest(), hashlib.blake2b(text).hexdigest(), zlib.crc32(text), zlib.adler32(text))
print(hashlib.sha256(zlib.compress(text, 9)).hexdigest(), zlib.decompress(zlib.compress(text)) == text)
r = random.Random(7)
print([r.random() for _ in range(5)], r.getrandbits(200), r.sample(range(1000), 10))
print(math.factorial(400) % (2 ** 521 - 1), pow(3, 10 ** 30, 10 ** 40 + 1), math.isqrt(10 ** 200), math.sqrt(2), 0.1 + 0.2, 1e22, 5e-324, 2.5 % 0.7)
decimal.getcontext().prec = 200
print(decimal.Decimal(2).sqrt(), decimal.Decimal(1).exp(), fractions.Fraction(355, 113).limit_denominator(50))
words = re.findall(r"\b[a-z]{3,5}\b", text.decode())
count = {}
for w in words:
    count[w] = count.get(w, 0) + 1
print(json.dumps(heapq.nlargest(20, count.items(), key=lambda i: (i[1], i[0]))))
print(struct.pack("<dfqH", math.pi, 1 / 3, -5, 65535).hex(), sum(struct.unpack("<1000I", text[:4000])))
def queens(n, row=0, cols=0, d1=0, d2=0):
    if row == n:
        return 1
    free, found = ~(cols | d1 | d2) & ((1 << n) - 1), 0
    while free:
        bit = free & -free
        free ^= bit
        found += queens(n, row + 1, cols | bit, (d1 | bit) << 1, (d2 | bit) >> 1)
    return found
print(queens(7), sorted(set(words))[:10])
"#;

/// Words made of few letters, so that there is something to find and to compress.
fn text() -> String {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = move |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    };
    let mut text = String::new();
    for _ in 0..6000 {
        for _ in 0..3 {
            for _ in 0..2 + next(6) {
                text.push(char::from(b'a' + next(9) as u8));
            }
            text.push(' ');
        }
        writeln!(text, "{}", next(1 << 40)).expect("strings grow");
    }
    text
}

/// The directory that both sides work in, at the same path in the guest as on the host.
struct Work {
    dir: TempDir,
    kernel: PathBuf,
}

impl Work {
    fn new(guests: &Path, script: &str) -> Work {
        let dir = tempfile::tempdir().expect("there is room");
        let work = dir.path().join("work");
        std::fs::create_dir(&work).expect("there is room");
        std::fs::write(work.join("text"), text()).expect("there is room");
        std::fs::write(work.join("script"), script).expect("there is room");
        Work { dir, kernel: guests.join("vmlinuz-cloud") }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("work")
    }

    /// The program's output on the host, with the guest's environment.
    fn on_host(&self, program: &str, arguments: &[&str]) -> Vec<u8> {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(self.path()).env_clear().stdin(Stdio::null());
        command.envs([
            ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
            ("HOME", "/root"),
            ("USER", "root"),
            ("TERM", "linux"),
            ("LANG", "C"),
        ]);
        let output = command
            .output()
            .unwrap_or_else(|e| panic!("{program} does not start here ({e}); .ci/run installs what the tests need"));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    /// The program's output in a guest, by way of a recording that verifies.
    fn in_guest(&self, files: &[String], program: &str, arguments: &[&str]) -> Vec<u8> {
        let recording = self.dir.path().join("program.reen");
        let mut command: Command = reenact();
        command
            .current_dir(self.path())
            .args(["record", "--offline", "--memory", "512M", "-o"])
            .arg(&recording)
            .arg("--kernel")
            .arg(&self.kernel);
        for file in files.iter().chain([&self.path().display().to_string()]) {
            command.args(["--file", file]);
        }
        let ran = Ran::from_output(command.arg("--").arg(program).args(arguments).output().expect("the binary starts"))
            .succeeded();
        assert_eq!(info(&recording)["program_status"], 0, "{}\n{}", ran.text(), ran.err);
        verify(&recording);
        ran.out
    }
}

/// Compares part by part, so that a failure names the command.
#[track_caller]
fn assert_same(guest: &[u8], host: &[u8]) {
    let parts = |bytes: &[u8]| String::from_utf8_lossy(bytes).split("== ").map(str::to_owned).collect::<Vec<_>>();
    for (guest, host) in parts(guest).iter().zip(&parts(host)) {
        assert_eq!(guest, host);
    }
    assert_eq!(guest, host);
}

#[test]
fn shell_tools_compute_what_they_compute_on_the_host() {
    let Some(guests) = debian("shell_tools_compute_what_they_compute_on_the_host") else { return };
    let mut script = String::new();
    for (program, line) in SHELL_LINES {
        writeln!(script, "echo '== {program}: {}'\n{line}", line.replace('\'', "\"")).expect("strings grow");
    }
    let work = Work::new(&guests, &script);
    let host = work.on_host("/bin/bash", &["./script"]);
    let files: Vec<String> = HOST_PROGRAMS.iter().map(ToString::to_string).filter(|p| Path::new(p).exists()).collect();
    let guest = work.in_guest(&files, "/bin/bash", &["./script"]);
    assert_same(&guest, &host);
}

#[test]
fn python_computes_what_it_computes_on_the_host() {
    let Some(guests) = debian("python_computes_what_it_computes_on_the_host") else { return };
    let work = Work::new(&guests, PYTHON);
    let python = "/usr/bin/python3";
    let library =
        work.on_host(python, &["-I", "-S", "-c", "import sysconfig; print(sysconfig.get_path('stdlib'), end='')"]);
    let library = String::from_utf8(library).expect("the path is text");
    let host = work.on_host(python, &["-I", "-S", "./script"]);
    let guest = work.in_guest(&[library], python, &["-I", "-S", "./script"]);
    assert_same(&guest, &host);
}

#[test]
fn an_exit_status_and_a_signal_are_reported() {
    let Some(guests) = debian("an_exit_status_and_a_signal_are_reported") else { return };
    let dir = tempfile::tempdir().expect("there is room");
    for (script, status, said) in
        [("echo out; exit 7", 7 << 8, "exit status 7"), ("kill -9 $$", 9, "killed by signal 9")]
    {
        let recording = dir.path().join(format!("{status}.reen"));
        let mut command = reenact();
        command
            .args(["record", "--offline", "-o"])
            .arg(&recording)
            .arg("--kernel")
            .arg(guests.join("vmlinuz-cloud"))
            .args(["--", "/bin/sh", "-c", script]);
        let ran = Ran::from_output(command.output().expect("the binary starts")).succeeded();
        assert_eq!(info(&recording)["program_status"], status);
        assert!(ran.err.contains(said), "{}", ran.err);
    }
}
