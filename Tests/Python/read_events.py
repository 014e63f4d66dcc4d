"""Prints all scalars that TensorBoard finds in a folder as JSON: [{"tag", "step", "value"}]."""

import json
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

events = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0})
events.Reload()
print(
    json.dumps(
        [
            {"tag": tag, "step": event.step, "value": event.value}
            for tag in events.Tags()["scalars"]
            for event in events.Scalars(tag)
        ]
    )
)
