"""One classical method on two CSV files, as a process of its own: prints the seconds of fit and predict as JSON."""

import json
import sys

import pandas as pd

import methods

name, context, query = sys.argv[1:]
labelled, queries = pd.read_csv(context), pd.read_csv(query)
labels, classes = pd.factorize(labelled["label"], sort=True)
answer = methods.Classical(name).answer(labelled.drop(columns="label"), labels, queries, len(classes))
print(json.dumps({"fit": answer.fit, "predict": answer.predict}))
