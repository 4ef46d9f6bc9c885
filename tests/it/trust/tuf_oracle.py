"""Judges chains of TUF roots with python-tuf, the reference implementation of The Update Framework.

Reads a JSON list of chains from stdin. A chain is a list of roots, as texts. Prints for each chain how many roots were accepted,
and whether the last of them has expired at the time that the first argument names.
"""

import json
import sys
from datetime import datetime

from tuf.api.exceptions import RepositoryError
from tuf.ngclient._internal.trusted_metadata_set import TrustedMetadataSet
from tuf.ngclient.config import EnvelopeType


def judge(chain, now):
    trusted = TrustedMetadataSet(chain[0].encode(), EnvelopeType.METADATA)
    accepted = 1
    for root in chain[1:]:
        try:
            trusted.update_root(root.encode())
        except RepositoryError:
            break
        accepted += 1
    return [accepted, trusted.root.is_expired(now)]


now = datetime.fromisoformat(sys.argv[1])
json.dump([judge(chain, now) for chain in json.load(sys.stdin)], sys.stdout)
