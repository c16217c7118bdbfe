"""The pipeline behind MLServer; the trees run on its own LightGBM runtime."""

import os
import sys
from pathlib import Path

from mlserver import MLModel
from mlserver.codecs import NumpyCodec, PandasCodec
from mlserver.types import InferenceRequest, InferenceResponse

sys.path.insert(0, str(Path(__file__).parent.parent))
from servers.models import pipeline


class Pipeline(MLModel):
    async def load(self) -> bool:
        self._model = pipeline(Path(os.environ["BENCH_FOLDER"]))
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        frame = PandasCodec.decode_request(payload)
        answers = self._model.predict_proba(frame)[:, 1]
        return InferenceResponse(model_name=self.name, outputs=[NumpyCodec.encode_output("predict", answers)])
