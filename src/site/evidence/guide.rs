//! `README.txt` of evidence: what is in the folder, and the commands that check it without gapferry.

use super::folder::{BuilderSigned, EvidenceFolder, SignedProof};
use crate::digest::Sha256;
use crate::label::Label;
use crate::shell::quoted;
use crate::terminal::safe;
use crate::trust::{APPROVAL_NAMESPACE, TRUST_NAMESPACE, openssh_time};

/// A report in the folder, with the persons whose statements name its digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportedBy {
    /// Its file in the folder.
    pub file: String,
    /// Its digest.
    pub sha256: Sha256,
    /// The persons; empty if no statement names it.
    pub persons: Vec<Label>,
}

/// Returns the text. Lines that are indented by four blanks are commands, and nothing else is.
pub fn guide(evidence: &EvidenceFolder, reports: &[ReportedBy]) -> String {
    let facts = &evidence.facts;
    let mut text = format!("Evidence on {}: how to check it without gapferry\n\n", facts.bundle);
    text += &format!("The bundle {} of the site {} {}.\n", facts.bundle, facts.site, facts.state.message());
    text += &format!("Its manifest has the SHA-256 {}.\n", facts.manifest);
    for publication in &facts.publications {
        let before = match publication.before {
            0 => "there was none before".to_owned(),
            before => format!("a rollback goes to generation {before}"),
        };
        text += &format!("Published at {} as generation {}; {before}.\n", publication.time, publication.generation);
    }
    if let Some(failure) = &facts.failure {
        text += &format!("At {}: {}: {}\n", failure.time, failure.outcome, safe(&failure.reason));
    }
    text += HEAD;
    for (number, step) in (1..).zip(steps(evidence, reports)) {
        text += &format!("\n{number}. {step}");
    }
    if !facts.missing.is_empty() {
        text += "\nNot in this folder, though they should be:\n\n";
        facts.missing.iter().for_each(|name| text += &format!("  {}\n", safe(name)));
    }
    text
}

const HEAD: &str = r#"
  evidence.json         these facts for programs: publications, trust file, flags, statements
  manifest.json, items/ what was to be published, signed by the builder; each item with its digest
  packings/             how it travelled, signed by a builder
  approvals/            statements of reviewers, each with its signature
  report/               the report that reviewers read, made again, and bills of materials
  proofs/               upstream's own signed files, byte for byte; keyrings/ has the keys that the site had pinned
  against/              the small part of the state that was published before
  policy/site.toml      the policy of the site at the import
  trust/                the trust files, from the first to the newest; allowed_signers is the one in force, for ssh-keygen
  media/                the sheets of the media that the bundle came on
  custody.jsonl         the lines of the audit log about this bundle; audit.jsonl is the log, log-head.txt its head

Run the commands in this folder, one step after the other, in one shell (sh is enough). They need sha256sum and ssh-keygen of OpenSSH
8.9 or newer; steps that say so need jq, zstd or gpgv too. Stop where one fails.
"#;

fn steps(evidence: &EvidenceFolder, reports: &[ReportedBy]) -> Vec<String> {
    let mut steps = vec![
        "No file of this folder has changed since it was written. The command prints nothing if all is well.\n\n    \
         sha256sum --strict --quiet -c SHA256SUMS\n"
            .to_owned(),
        builder(evidence),
        statements(evidence),
    ];
    if evidence.has_lists {
        steps.push(lists(evidence));
    }
    if !reports.is_empty() {
        steps.push(reported(reports));
    }
    if !evidence.proofs.is_empty() {
        steps.push(proofs(&evidence.proofs));
    }
    steps.push(TRUST_CHAIN.replace("NAMESPACE", TRUST_NAMESPACE));
    steps.push(LOG_CHAIN.to_owned() + &judged_by(evidence));
    steps
}

/// The check of a signature, which counts for the person if there is one.
struct SignatureCheck<'a> {
    file: &'a str,
    namespace: &'a str,
    person: Option<&'a Label>,
    /// The time as of which it counts.
    time: &'a str,
}

impl SignatureCheck<'_> {
    fn command(&self) -> String {
        let Self { file, namespace, person, time } = self;
        let how = match person {
            Some(person) => format!("verify -f allowed_signers -I {person} -O verify-time={time}"),
            None => "check-novalidate".to_owned(),
        };
        format!("    ssh-keygen -Y {how} -n {namespace} -s {file}.sig < {file}\n")
    }
}

fn builder(evidence: &EvidenceFolder) -> String {
    let facts = &evidence.facts;
    let mut text = format!(
        "A builder of trust file {} has signed the manifest, and its packings. Each line must begin with \"Good\".\n\n",
        facts.trust.version
    );
    text += &format!("    echo '{}  manifest.json' | sha256sum --strict --quiet -c\n", facts.manifest);
    let time = openssh_time(facts.time);
    for BuilderSigned { file, namespace, person } in &evidence.signed {
        text += &SignatureCheck { file, namespace, person: person.as_ref(), time: &time }.command();
    }
    if evidence.signed.iter().any(|signed| signed.person.is_none()) {
        text += "\n   Where no person stands, the key is not that of a builder, was revoked or had expired: the signature is good, and does not count.\n";
    }
    text
}

fn statements(evidence: &EvidenceFolder) -> String {
    let facts = &evidence.facts;
    if facts.statements.is_empty() {
        return "No reviewer has said anything of this bundle.\n".to_owned();
    }
    let time = openssh_time(facts.time);
    let mut text =
        "Reviewers have signed these statements on this manifest. Each line must begin with \"Good\".\n\n".to_owned();
    text += &format!(
        "    for s in approvals/*.json; do grep -qF '\"manifest\": \"{}\"' \"$s\" || {{ echo \"$s is on another manifest\"; false; }}; done\n",
        facts.manifest
    );
    for statement in facts.statements.iter().filter(|statement| statement.trusted) {
        let person = Some(&statement.person);
        let check = SignatureCheck { file: &statement.file, namespace: APPROVAL_NAMESPACE, person, time: &time };
        text += &check.command();
    }
    let mut others = facts.statements.iter().filter(|statement| !statement.trusted).peekable();
    if others.peek().is_some() {
        text += &format!(
            "\n   By trust file {}, the keys of these are not those persons', were revoked or had expired: their signatures are good, and they \
             do not count.\n\n",
            facts.trust.version
        );
    }
    for statement in others {
        let check = SignatureCheck { file: &statement.file, namespace: APPROVAL_NAMESPACE, person: None, time: &time };
        text += &check.command();
    }
    text + "\n   The statements themselves are text:\n\n    cat -v approvals/*.json\n"
}

fn lists(evidence: &EvidenceFolder) -> String {
    let mut text = "The manifest names these item lists, and these name upstream's files (needs jq and zstd). Each line must end with \
                    \"OK\"."
        .to_owned();
    text += "\n\n    jq -r '.collections[] | \"\\(.list.stored.sha256)  items/\\(.kind)-\\(.name).jsonl.zst\"' manifest.json | sha256sum --strict -c\n";
    for (folder, list) in &evidence.lists {
        text += &format!(
            "    [ ! -d proofs/{folder} ] || zstd -dcq {list} | jq -r 'select(.type == \"proof\") | \"\\(.sha256)  proofs/{folder}/\\(.path)\"' | sha256sum --strict --ignore-missing -c\n"
        );
    }
    text
}

fn reported(reports: &[ReportedBy]) -> String {
    let mut text = "Reports, each with the digest that statements name. Each line must end with \"OK\".\n\n".to_owned();
    for report in reports {
        text += &format!("    echo '{}  {}' | sha256sum --strict -c\n", report.sha256, report.file);
    }
    let read = reports.iter().filter(|report| !report.persons.is_empty());
    for report in read {
        let persons: Vec<&str> = report.persons.iter().map(Label::as_str).collect();
        text += &format!("\n   {} was read by {}.\n", report.file, persons.join(", "));
    }
    text
}

fn proofs(proofs: &[SignedProof]) -> String {
    let mut text = "Upstreams have signed these files, by keys that the site had pinned (needs gpgv). The commands print nothing if all is \
                    well.\n\n"
        .to_owned();
    text += "    signed() { gpgv -q --status-fd 1 --keyring \"$@\" 2> /dev/null | grep -q '^.GNUPG:. VALIDSIG' || { echo \"not signed: $2\"; false; }; }\n";
    for SignedProof { keyring, file, signature } in proofs {
        let [keyring, file] = [keyring, file].map(|path| quoted(path.as_ref()));
        let signature = signature.as_ref().map(|path| format!("{} ", quoted(path.as_ref()))).unwrap_or_default();
        text += &format!("    signed ./{keyring} {signature}{file}\n");
    }
    text
}

/// The check that the log names the policy and the trust file, if an import has judged the bundle by them.
fn judged_by(evidence: &EvidenceFolder) -> String {
    let version = evidence.facts.trust.version;
    match evidence.is_judged_in_log {
        false => String::new(),
        true => format!(
            "\n   The line of the last import names the policy and the trust file by which it judged. The command prints nothing.\n\n    \
             grep -qF \"site.toml $(sha256sum < policy/site.toml | cut -c 1-64), trust file {version} $(sha256sum < trust/{version}.json | cut -c 1-64)\" custody.jsonl\n"
        ),
    }
}

const TRUST_CHAIN: &str = r#"Trust files say who may sign what. Each but the first is signed by root persons of the version before it and of its own
   (needs jq). Each line must begin with "Good" or with the name of a file.

    for t in trust/*.json; do [ -e "$t.sig" ] || continue; v=${t#trust/}; for k in "trust/$((${v%.json} - 1)).json" "$t"; do [ -e "$k" ] || continue; echo "$t by the keys of $k:"; d=$(mktemp -d); jq -r '.persons | to_entries[] | .key as $p | .value[] | select((has("revoked") | not) and (.roles | index("root") != null)) | "\($p) \(.key)"' "$k" > "$d/root"; awk -v f="$d/signature" '/BEGIN/ { n++ } { print > (f n) }' "$t.sig"; for s in "$d"/signature*; do p=$(ssh-keygen -Y find-principals -s "$s" -f "$d/root" 2> /dev/null) && ssh-keygen -Y verify -f "$d/root" -I "$p" -n NAMESPACE -s "$s" < "$t"; done; done; done
"#;

const LOG_CHAIN: &str = r#"Each line of the audit log has the digest of the line before it. The third command prints the head of the log: compare it
   with one that was kept elsewhere, as `gapferry site log --site SITE --head` prints it. The lines in custody.jsonl are lines of the log.

    p=$(printf '' | sha256sum | cut -c 1-64); n=0
    while IFS= read -r l; do case $l in *'"previous":"'"$p"'"}') ;; *) echo "line $((n + 1)) does not follow"; exit 1 ;; esac; p=$(printf %s "$l" | sha256sum | cut -c 1-64); n=$((n + 1)); done < audit.jsonl
    grep -F " $n $p " log-head.txt
    [ -z "$(grep -vxFf audit.jsonl custody.jsonl)" ]
"#;
