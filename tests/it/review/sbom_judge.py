"""Judges the bills of materials in a folder by the tools of others. Prints what these read, as JSON."""

import json
import sys
from pathlib import Path

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from lib4sbom.parser import SBOMParser
from ntia_conformance_checker import SbomChecker
from packageurl import PackageURL
from spdx_tools.spdx.parser.json.json_parser import parse_from_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

folder = Path(sys.argv[1])
cyclonedx, spdx = folder / "sbom.cdx.json", folder / "sbom.spdx.json"

error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(cyclonedx.read_text())
faults = [] if error is None else [f"cyclonedx-python-lib: {error}"]
document = parse_from_file(str(spdx))
faults += [f"spdx-tools: {fault}" for fault in validate_full_spdx_document(document)]

# The NTIA's minimum elements.
checker = SbomChecker(str(spdx), validate=False, compliance="ntia", sbom_spec="spdx2")
if not checker.compliant:
    without = [str(component) for component in checker.components_without_suppliers]
    faults.append(f"ntia-conformance-checker: without supplier {without}, without version {checker.components_without_versions}")

components = json.loads(cyclonedx.read_text())["components"]
for component in components:
    purl = component["purl"]
    if PackageURL.from_string(purl).to_string() != purl:
        faults.append(f"packageurl: {purl} is {PackageURL.from_string(purl).to_string()}")


def read(path):
    """Returns name and version of all packages, as lib4sbom reads them."""
    parser = SBOMParser()
    parser.parse_file(str(path))
    return sorted([package["name"], package["version"]] for package in parser.get_packages())


binaries = [package for package in document.packages if not package.spdx_id.startswith("SPDXRef-source-")]
named = sorted([package.name, package.version] for package in binaries)
print(
    json.dumps(
        {
            "faults": faults,
            "cyclonedx": sorted([component["name"], component["version"]] for component in components),
            "spdx": named,
            "lib4sbom_cyclonedx": read(cyclonedx),
            "lib4sbom_spdx": read(spdx),
        }
    )
)
