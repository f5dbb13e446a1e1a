"""One classical method on two CSV files, as a process of its own: prints the seconds of fit and predict as JSON."""

import json
import sys
import time

import pandas as pd

import methods

name, context, query, out = sys.argv[1:]
labelled, queries = pd.read_csv(context), pd.read_csv(query)
start = time.perf_counter()
model = methods.pipeline(name).fit(labelled.drop(columns="label"), labelled["label"])
fitted = time.perf_counter()
probabilities = model.predict_proba(queries)
predicted = time.perf_counter()
pd.DataFrame(probabilities, columns=model.classes_).to_csv(out, index=False)
print(json.dumps({"fit": fitted - start, "predict": predicted - fitted}))
