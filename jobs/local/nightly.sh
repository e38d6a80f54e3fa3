#!/usr/bin/env bash
# The whole pipeline, top to bottom: a catalogue and a log become an index that was judged and promoted.
#
#     jobs/local/nightly.sh                          a small synthetic shop in ./lake, some minutes on two cores
#     DS=2026-02-01 ITEMS=20000 jobs/local/nightly.sh
#
# The DAGs of dags/ run the same commands at their hours, with retries. Each line between EOF and EOF is a command,
# `python -m jobs <line>`, and `python -m jobs <command> --help` explains its flags. `batch` runs several in one process,
# so that Spark and torch start once. An output replaces what was published there before, all at once or not at all,
# so the script can be stopped and started again at any step.
set -euo pipefail

DAY=ds=${DS:-2026-01-31}
SHARDS=${SHARDS:-2}                                    # parts that the catalogue is embedded in
TRAINING=${TRAINING:---preset tiny --epochs 3}         # flags of both trainings
SHOP=${SHOP:-synthetic}                                # landed: your catalogue and log of the day are in the lake
TASTE=${TASTE:-0}                                      # 0.7: people have a taste and act outside searches, for recommendations
LABELS=${LABELS-labels/$DAY}                           # people's judgements; empty: the day's clicks judge, a first look only
MIN_SEARCHERS=${MIN_SEARCHERS:-5}                      # people who type a query before it leaves the raw zone

jobs() { "${PYTHON:-python}" -m jobs "$@"; }
space_of() { jobs pin --towers "$1" | sed -n 's/.*"space": "\([0-9a-f]*\)".*/\1/p'; }
each_shard() { for ((i = 0; i < SHARDS; i++)); do echo "${1//SHARD/shard=${i}of$SHARDS}"; done; }

if [ "$SHOP" = synthetic ]; then jobs batch --commands - <<EOF
# A synthetic Polish shop, its queries, and a day of its log. Your own files take their place with SHOP=landed:
# python -m jobs land --files exports/items.parquet --catalogue catalogue/$DAY
# python -m jobs land --files exports/log --log log/$DAY
marketplace --catalogue catalogue/$DAY --labels labels/$DAY --items ${ITEMS:-3000} --queries ${QUERIES:-600}
simulate --labels labels/$DAY --catalogue catalogue/$DAY --log log/$DAY --simulated_truth simulated_truth/$DAY \
    --searches ${SEARCHES:-6000} --taste $TASTE
EOF
fi

jobs batch --commands - <<EOF
# The catalogue in one schema: every rejected row is counted by its reason.
items --catalogue catalogue/$DAY --items items/$DAY
# The log as rows (search, item, position): sessions, bots, duplicates and late events are dealt with here, and
# personal data ends here.
impressions --log log/$DAY --impressions impressions/$DAY --min_searchers $MIN_SEARCHERS
# What people did, session by session: the ground of recommendations.
session_events --item_events item_events/$DAY --session_events session_events/$DAY
# Counts per query and item, the unit that windows of days add up.
click_counts --impressions impressions/$DAY --late_impressions late_impressions/$DAY --items items/$DAY \
    --click_counts click_counts/$DAY --query_counts query_counts/$DAY
# People click what stands first: estimate how often each position is looked at, to weigh clicks by it.
propensities --click_counts click_counts/$DAY --propensities propensities/$DAY
# Queries are split before pairs are made, so that no held-out query is trained on.
queries --query_counts query_counts/$DAY ${LABELS:+--labels $LABELS} --queries queries/$DAY
pairs --click_counts click_counts/$DAY --propensities propensities/$DAY --queries queries/$DAY --items items/$DAY \
    --pairs pairs/$DAY
qrels --click_counts click_counts/$DAY --queries queries/$DAY --items items/$DAY ${LABELS:+--labels $LABELS} --qrels qrels/$DAY
# The gate on the data: a verdict of stop ends the script before anything is trained on it.
expect --partitions items/$DAY,impressions/$DAY,session_events/$DAY,queries/$DAY,pairs/$DAY,qrels/$DAY

# Step 1: two towers from in-batch negatives. Once a month the command prodbert pre-trains a BERT on the texts of the
# shop, from which towers can start: --prodbert prodbert/$DAY.
towers --pairs pairs/$DAY --queries queries/$DAY --items items/$DAY $TRAINING --towers towers/$DAY/step=in_batch
EOF

# A space id names the vectors of one pair of towers; what is made with it carries it, and no other is accepted.
SPACE=$(space_of "towers/$DAY/step=in_batch")
jobs batch --commands - <<EOF
# Step 2, STAR: search the catalogue for each training query; wrong items that rank high are its hard negatives.
negatives --towers towers/$DAY/step=in_batch --pairs pairs/$DAY --queries queries/$DAY --items items/$DAY \
    --negatives negatives/$DAY/space=$SPACE
# Step 3: continue from step 1 with the hard negatives beside those of the batch.
towers --pairs pairs/$DAY --queries queries/$DAY --items items/$DAY $TRAINING --start towers/$DAY/step=in_batch \
    --negatives negatives/$DAY/space=$SPACE --towers towers/$DAY/step=star
EOF

AT=$DAY/space=$(space_of "towers/$DAY/step=star")
TOWERS="--towers towers/$DAY/step=star"
JUDGED="--queries queries/$DAY --qrels qrels/$DAY --items items/$DAY"
jobs batch --commands - <<EOF
# The whole catalogue as vectors, a shard at a time; on a cluster the shards run side by side.
$(each_shard "embeddings --items items/$DAY $TOWERS --embeddings embeddings/$AT/SHARD")
# Choose the index family and train it on a sample, code every shard with it, and merge the codes into the bundle.
trained_index --embeddings embeddings/$AT/shard=0of$SHARDS $TOWERS --queries queries/$DAY --qrels qrels/$DAY \
    --trained_index trained_index/$AT
$(each_shard "codes --embeddings embeddings/$AT/SHARD --trained_index trained_index/$AT --codes codes/$AT/SHARD")
index --codes codes/$AT/shard=0of$SHARDS --trained_index trained_index/$AT --embeddings embeddings/$AT/shard=0of$SHARDS \
    $TOWERS $JUDGED --index index/$AT
# The lists of each arm for the held-out queries, and what people judged or clicked of it.
rankings --index index/$AT --rankings rankings/$AT $JUDGED
report --rankings rankings/$AT --index index/$AT --report report/$AT $JUDGED --alt_relevance impressions/$DAY
expect --partitions embeddings/$AT/shard=0of$SHARDS,rankings/$AT,negatives/$DAY/space=$SPACE
# Load the bundle as a service does, and compare its answers with those that were stored.
verify --index index/$AT
# The alias moves only where the report's gate lets it: an index that nobody judged is not served.
promote --report report/$AT
EOF

# Recommendations, where sessions say what goes together: a shop with TASTE=0.7, or your own with some days of events.
if [ "${LISTS:-0}" = 1 ]; then jobs batch --commands "$(dirname "$0")/lists.txt" --ds "${DAY#ds=}"; fi
