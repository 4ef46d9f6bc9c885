use proptest::prelude::*;

use super::*;
use crate::formats::{Invalid, refusal};

fn parse(yaml: &str) -> Metadata {
    Metadata::parse(yaml.as_bytes()).unwrap_or_else(|error| panic!("{error:?}\n{yaml}"))
}

fn thing(more: &str) -> Metadata {
    parse(&format!("name: thing\nversion: '1'\n{more}"))
}

fn refused(more: &str) -> Invalid {
    Metadata::parse(format!("name: thing\nversion: '1'\n{more}").as_bytes()).expect_err(more)
}

fn needs(metadata: &Metadata) -> Vec<String> {
    metadata.needs().into_iter().map(|need| format!("{:?} {}", need.why, need.name)).collect()
}

#[test]
fn a_short_one_gets_the_defaults() {
    let expected = Metadata {
        name: "thing".into(),
        version: "1".into(),
        kind: SnapKind::App,
        base: None,
        confinement: "strict".into(),
        grade: "stable".into(),
        architectures: vec!["all".into()],
        epoch: Epoch::default(),
        title: String::new(),
        summary: String::new(),
        description: String::new(),
        license: None,
        apps: BTreeSet::new(),
        default_providers: BTreeSet::new(),
    };
    assert_eq!(thing(""), expected);
    let empty = "type:\nbase: ''\nconfinement: ~\ngrade: ''\narchitectures: []\nepoch:\ntitle:\nsummary: null\n\
                 description: ''\nlicense: ''\napps:\nplugs: ~\n";
    assert_eq!(thing(empty), expected);
}

#[test]
fn a_long_one_is_read_whole() {
    let yaml = include_str!("../../../../fixtures/snap/gadget.yaml");
    let read = parse(yaml);
    assert_eq!((read.name.as_str(), read.version.as_str(), read.kind), ("long-one", "2.0~rc1", SnapKind::Gadget));
    assert_eq!(read.base.as_deref(), Some("core24"));
    assert_eq!((read.confinement.as_str(), read.grade.as_str()), ("classic", "devel"));
    assert_eq!(read.architectures, ["amd64", "arm64"]);
    assert_eq!(read.epoch, Epoch { read: vec![1, 2], write: vec![2] });
    assert_eq!((read.title.as_str(), read.summary.as_str()), ("Long One", "one: line"));
    assert_eq!(read.description, "one\n\ntwo\n");
    assert_eq!(read.license.as_deref(), Some("MIT OR Apache-2.0"));
    assert_eq!(read.apps.into_iter().collect::<Vec<_>>(), ["long-one", "second"]);
}

#[test]
fn versions_are_texts_even_if_they_look_like_numbers() {
    for version in ["1.10", "1e3", "0x10", "2024", "007", "1_0", "3.0", "2024-01-02", "12:30", "true", "1.10+git5~"] {
        let yaml = format!("name: thing\nversion: {version}\n");
        if version.contains('_') {
            Metadata::parse(yaml.as_bytes()).expect_err(version);
        } else {
            assert_eq!(parse(&yaml).version, version);
        }
    }
    let wrong = ["", "~", "null", "-1", "1.", "1 2", "1/2", "é", "[1]", "{a: 1}", "123456789012345678901234567890123"];
    for version in wrong {
        Metadata::parse(format!("name: thing\nversion: {version}\n").as_bytes()).expect_err(version);
    }
}

#[test]
fn names_are_those_of_snaps() {
    for name in ["a", "3a", "gnome-42-2204", "x".repeat(40).as_str()] {
        assert_eq!(parse(&format!("name: {name}\nversion: 1\n")).name, name);
    }
    for name in ["A", "1", "a_b", "a--b", "-a", "a/b", "..", "", "x".repeat(41).as_str(), "[a]", "a\\u202e"] {
        Metadata::parse(format!("name: \"{name}\"\nversion: 1\n").as_bytes()).expect_err(name);
    }
}

#[test]
fn kinds_are_those_of_snapd() {
    for kind in SnapKind::ALL {
        assert_eq!(thing(&format!("type: {kind}\n")).kind, kind);
    }
    assert_eq!(thing("type: application\n").kind, SnapKind::App);
    assert_eq!(parse("name: snapd\nversion: 1\ntype: app\n").kind, SnapKind::Snapd);
    assert!(refused("type: core\n").to_string().contains("which snapd does not take"));
}

#[test]
fn epochs_come_in_three_forms() {
    let epoch = |read: &[u32], write: &[u32]| Epoch { read: read.to_vec(), write: write.to_vec() };
    let table = [
        ("0", epoch(&[0], &[0])),
        ("5", epoch(&[5], &[5])),
        ("'5'", epoch(&[5], &[5])),
        ("1*", epoch(&[0, 1], &[1])),
        ("''", epoch(&[0], &[0])),
        ("{}", epoch(&[0], &[0])),
        ("{read: [1, 2]}", epoch(&[1, 2], &[2])),
        ("{write: [1, 2]}", epoch(&[1, 2], &[1, 2])),
        ("{read: [1, 2, 3], write: [1, 3]}", epoch(&[1, 2, 3], &[1, 3])),
        ("4294967295", epoch(&[u32::MAX], &[u32::MAX])),
    ];
    for (yaml, expected) in table {
        assert_eq!(thing(&format!("epoch: {yaml}\n")).epoch, expected, "{yaml}");
    }
    let wrong = [
        "0*",
        "-1",
        "01",
        "1.5",
        "x",
        "'*'",
        "4294967296",
        "[1]",
        "true",
        "1**",
        "{read: []}",
        "{write: []}",
        "{read: [2, 1]}",
        "{read: [1, 1]}",
        "{read: [1], write: [2]}",
        "{read: 1}",
        "{read: [x]}",
        "{read: [0,1,2,3,4,5,6,7,8,9,10]}",
    ];
    for yaml in wrong {
        assert!(refused(&format!("epoch: {yaml}\n")).to_string().contains("cannot be understood"), "{yaml}");
    }
}

#[test]
fn architectures_are_a_list_or_one() {
    assert_eq!(thing("architectures: amd64\n").architectures, ["amd64"]);
    assert_eq!(thing("architectures: [all]\n").architectures, ["all"]);
    for wrong in ["[AMD64]", "['']", "[a/b]", "{a: b}", "[[a]]"] {
        refused(&format!("architectures: {wrong}\n"));
    }
}

#[test]
fn only_content_plugs_have_default_providers() {
    let plugs = include_str!("../../../../fixtures/snap/plugs.yaml");
    let read = thing(plugs);
    assert_eq!(read.default_providers.into_iter().collect::<Vec<_>>(), ["gtk-common-themes", "short-form"]);
    let wrong = ["[x]", "5", "{a: 5}", "{a: [x]}", "{content: {default-provider: ../x}}"];
    for wrong in wrong {
        refused(&format!("plugs: {wrong}\n"));
    }
}

#[test]
fn what_is_needed_depends_on_what_it_is() {
    assert_eq!(needs(&thing("")), ["Base core", "Snapd snapd"]);
    assert_eq!(needs(&thing("base: none\n")), ["Snapd snapd"]);
    let content = "plugs: {content: {default-provider: gnome}, b: {interface: content, default-provider: a}}\n";
    let app = thing(&format!("base: core22\n{content}"));
    assert_eq!(needs(&app), ["Base core22", "Snapd snapd", "DefaultProvider a", "DefaultProvider gnome"]);
    for kind in ["os", "base", "gadget", "kernel", "snapd"] {
        assert_eq!(needs(&thing(&format!("type: {kind}\nbase: core22\n{content}"))), [""; 0], "{kind}");
    }
    assert_eq!(needs(&thing("plugs: {content: {default-provider: thing}}\n")), ["Base core", "Snapd snapd"]);
}

#[test]
fn of_a_repeated_key_the_last_counts() {
    let read = thing("base: core18\nbase: core22\napps: {a: {}, a: {}}\nplugs: {a: {x: 1, x: 2}, a: b}\n");
    assert_eq!(read.base.as_deref(), Some("core22"));
}

#[test]
fn what_is_no_snap_yaml_is_refused() {
    let table: [(&[u8], &str); 9] = [
        (b"", "no name"),
        (b"name: thing\n", "no version"),
        (b"version: 1\n", "no name"),
        (b"- name\n", "understood"),
        (b"name: [", "understood"),
        (b"name: \xff\n", "not UTF-8"),
        (b"name: a\nversion: 1\n---\nname: b\nversion: 1\n", "understood"),
        (b"name: a\nversion: 1\nconfinement: none\n", "confinement \"none\""),
        (b"name: a\nversion: 1\napps: {'a b': {}}\n", "app \"a b\""),
    ];
    for (yaml, words) in table {
        let error = Metadata::parse(yaml).unwrap_err();
        assert!(error.to_string().contains(words), "{words}: {error:?}");
    }
    let long = vec![b'#'; MAX_SNAP_YAML_BYTES as usize + 1];
    assert!(refusal(Metadata::parse(&long)).contains("is larger than"));
}

/// Texts at the size limit that ask for as much work as they can.
#[test]
fn bombs_end_soon() {
    let size = MAX_SNAP_YAML_BYTES as usize - 100;
    let laughs: String = (1..20).map(|n| format!("a{n}: &a{n} [{}]\n", format!("*a{}, ", n - 1).repeat(10))).collect();
    let bombs = [
        "[".repeat(size),
        "{a: ".repeat(size / 4),
        "- ".repeat(size / 2),
        "? ".repeat(size / 2),
        "a: &a {<<: *a}\n".repeat(size / 15),
        format!("a0: &a0 x\n{laughs}"),
        "a: b\n".repeat(size / 5),
        format!("apps: {{{}}}\n", "a: {}, ".repeat(size / 8)),
        format!("plugs:\n{}", (0..size / 12).map(|n| format!("  a{n}: {{}}\n")).collect::<String>()),
        format!("description: \"{}\"\n", "\\u0000".repeat(size / 6)),
        format!("description: >\n{}", " x\n".repeat(size / 3)),
        format!("description: {}", "x ".repeat(size / 2)),
        "!a ".repeat(size / 3),
        "# x\n".repeat(size / 4),
        "\t".repeat(size),
    ];
    for bomb in bombs {
        let head: String = bomb.chars().take(20).collect();
        let start = std::time::Instant::now();
        let _ = Metadata::parse(format!("name: thing\nversion: 1\n{bomb}").as_bytes());
        assert!(start.elapsed().as_secs() < 20, "{head:?} takes {:?}", start.elapsed());
    }
}

proptest! {
    #[test]
    fn noise_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Metadata::parse(&bytes);
    }

    #[test]
    fn yaml_like_noise_never_panics(yaml in "(name|version|epoch|plugs|apps|base|[a-z]|: |\n|- |  |\\{|\\}|\\[|\\]|\\*a|&a |'|\"|<<: |[0-9]|!!str |!!binary |\\| |> |\\? |, |\t){0,60}") {
        let _ = Metadata::parse(yaml.as_bytes());
        let _ = Metadata::parse(format!("name: a\nversion: 1\n{yaml}").as_bytes());
    }
}
