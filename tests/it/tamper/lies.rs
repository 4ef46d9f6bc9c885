//! A builder, or a thief of the builder's key, who signs what upstream never said; and bundles that build on others.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use gapferry::bundle::packing::index::PartLine;
use gapferry::cli::Exit::{VerificationFailed, VolumesMissing};
use gapferry::collection::{Collection, Publish};
use gapferry::depot::Depot;
use gapferry::digest::Sha256;
use gapferry::error_class::causes;
use gapferry::progress::Progress;
use gapferry::trust::Overrides;
use tempfile::TempDir;

use super::stage::{Stage, judge};
use crate::rehearsal::rehearse;
use crate::support::read_bundle::{lines_of, read_bundle, repack, resign, write_lines};
use crate::support::snapshot::copy;
use crate::support::world::{Content, bring, each_content, each_content_and_flat, scratch};

/// The second bundle after a change to what it says; it is below the folder.
fn told(stage: &Stage, tell: fn(&mut Collection, &Depot)) -> (TempDir, PathBuf) {
    let folder = scratch();
    copy(stage.depot().root(), &folder.path().join("depot"));
    let depot = Depot::open(&folder.path().join("depot")).unwrap();
    let out = folder.path().join("out");
    let bundle = repack(&stage.manifest(&stage.second), &[], &depot, (&out, &stage.world.key), |manifest| {
        tell(&mut manifest.collections[0], &depot);
    });
    (folder, bundle)
}

each_content_and_flat!(the_builders_word_does_not_replace_upstreams);
fn the_builders_word_does_not_replace_upstreams(content: Arc<dyn Content>) {
    let stage = Stage::new(content);
    for lie in stage.world.content.lies() {
        let arena = stage.arena(&told(&stage, lie.tell).1, "site");
        let foretold = rehearse(&arena.site(), &arena.bundle, Overrides::default()).map(|_| ());
        judge(&format!("dry run: {}", lie.name), foretold, lie.exit, lie.words);
        arena.refuses(lie.name, lie.exit, lie.words);
        stage.right_one_imports(&arena, &stage.second, lie.name);
    }
}

each_content_and_flat!(what_a_builder_may_do_is_accepted);
fn what_a_builder_may_do_is_accepted(content: Arc<dyn Content>) {
    let stage = Stage::new(content);
    for truth in stage.world.content.truths() {
        let arena = stage.arena(&told(&stage, truth.tell).1, "site");
        rehearse(&arena.site(), &arena.bundle, Overrides::default())
            .unwrap_or_else(|e| panic!("dry run: {}: {}", truth.name, causes(&e).join(": ")));
        bring(&arena.site(), &arena.bundle).unwrap_or_else(|e| panic!("{}: {}", truth.name, causes(&e).join(": ")));
        stage.world.content.check(&arena.site_path().join("current"));
    }
}

each_content_and_flat!(a_builder_may_choose_to_publish_upstreams_own_metadata);
fn a_builder_may_choose_to_publish_upstreams_own_metadata(content: Arc<dyn Content>) {
    let stage = Stage::new(content);
    let arena = stage.arena(&told(&stage, |c, _| c.publish = Publish::Verbatim).1, "site");
    bring(&arena.site(), &arena.bundle).unwrap();
    let collection = &stage.manifest(&stage.second).collections[0];
    let folder = arena.site_path().join("current").join(collection.folder());
    for (path, digest) in collection.paths() {
        assert_eq!(Sha256::of(&std::fs::read(folder.join(path)).unwrap()), *digest, "{path}");
    }
}

each_content!(what_a_bundle_builds_on_must_be_here);
fn what_a_bundle_builds_on_must_be_here(content: Arc<dyn Content>) {
    let stage = Stage::new(content);
    let there = stage.manifest(&stage.first).sizes();
    let honest = stage.manifest(&stage.second);
    let held: Vec<_> = honest.sizes().into_keys().filter(|digest| there.contains_key(digest)).collect();
    assert!(!held.is_empty() && held.len() < honest.blobs.len());
    let out = scratch();
    let bundle = repack(&honest, &held, &stage.depot(), (out.path(), &stage.world.key), |_| ());
    let arena = stage.arena(&bundle, "empty");
    arena.refuses("a delta without its base", VolumesMissing, "builds on");
    bring(&arena.site(), &stage.first).unwrap();
    bring(&arena.site(), &arena.bundle).unwrap();
    stage.world.content.check(&arena.site_path().join("current"));
}

each_content!(parts_that_do_not_make_up_their_blob_are_refused_and_spoil_nothing);
fn parts_that_do_not_make_up_their_blob_are_refused_and_spoil_nothing(content: Arc<dyn Content>) {
    let stage = Stage::new(content);
    let honest = stage.manifest(&stage.first);
    let volumes: Vec<_> = honest.volumes().into_iter().zip(&honest.packing().parts).collect();
    let is_here =
        |blob: &Sha256| volumes.iter().filter(|(_, parts)| parts.iter().any(|part| part.blob == *blob)).count();
    let cut = *honest.blobs.iter().find(|blob| blob.size > 100_000 && is_here(&blob.sha256) > 1).unwrap();
    let arena = stage.arena(&stage.first, "empty");

    // An interrupted import of the right bundle has noted some of the blob's parts.
    let holds = |parts: &[PartLine]| parts.iter().any(|part| part.blob == cut.sha256);
    let file = volumes.iter().rev().find(|(_, parts)| holds(parts)).map(|((file, _), _)| file.clone()).unwrap();
    let last = arena.bundle.join(&file);
    std::fs::rename(&last, arena.bundle.join("aside")).unwrap();
    judge("all but one volume", bring(&arena.site(), &arena.bundle).map(|_| ()), VolumesMissing, &file);
    std::fs::rename(arena.bundle.join("aside"), &last).unwrap();

    // Now comes one that claims the same digest for other bytes, and more of them.
    let evil = scratch();
    let depot = Depot::open(&evil.path().join("depot")).unwrap();
    copy(&stage.depot().root().join("sha256"), &depot.root().join("sha256"));
    let other: Vec<u8> = std::fs::read(depot.place(&cut.sha256)).unwrap().iter().map(|byte| !byte).collect();
    let longer = [other, vec![7; 70_000]].concat();
    let digest = crate::support::lies::put(&depot, &longer);
    let bundle = repack(&honest, &[], &depot, (&evil.path().join("out"), &stage.world.key), |manifest| {
        for to in manifest.collections[0].files.values_mut().filter(|to| **to == cut.sha256) {
            *to = digest;
        }
    });
    // In lists and indexes, the digest of the other bytes becomes that of the right ones.
    let edit = |path: &Path, key: &str| {
        let mut lines = lines_of(path);
        for line in lines.iter_mut().filter(|line| line[key] == digest.to_hex()) {
            line[key] = cut.sha256.to_hex().into();
        }
        write_lines(path, &lines)
    };
    let mut evil = read_bundle(&bundle);
    let mut value = serde_json::to_value(&evil.header).unwrap();
    for (collection, number) in evil.header.collections.iter().zip(0..) {
        value["collections"][number]["list"] = edit(&bundle.join(collection.list_file()), "sha256");
    }
    for part in evil.packings[0].parts.iter_mut().flatten().filter(|part| part.blob == digest) {
        part.blob = cut.sha256;
    }
    evil.packings[0].resign(&stage.world.key);
    resign(&bundle, &stage.world.key, (serde_json::to_string_pretty(&value).unwrap() + "\n").as_bytes());
    judge("other parts", bring(&arena.site(), &bundle).map(|_| ()), VerificationFailed, "do not make up the blob");

    // Neither its partial file nor its notes stop the right one.
    arena.site().verify(&arena.bundle, Overrides::default(), &Progress::hidden()).unwrap();
    stage.right_one_imports(&arena, &stage.first, "a wrong blob");
    assert_eq!(std::fs::read_dir(arena.site_path().join("waiting")).unwrap().count(), 0);
    assert_eq!(std::fs::read_dir(arena.site_path().join("depot/partial")).unwrap().count(), 0);
}
