"""What a run keeps of a framework's training by itself: callbacks and hooks to hand to it; nothing is patched."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypeVar, cast

from noria.client.told import Told, guarded

if TYPE_CHECKING:
    from noria.client.frameworks.torch import Watched

T = TypeVar("T")


class Observing:
    """The part of a run that speaks with frameworks; each is imported when it is named."""

    def fit(self, estimator: T, X: Any, y: Any = None, /, **fit_params: Any) -> T:
        """Fit a scikit-learn estimator, pipeline or search, and keep what it says: see `fitted`. Returns it.

        What the fitting itself raises is raised.
        """
        from noria.client.frameworks import sklearn

        done = sklearn.fit(self._told, estimator, X, y, fit_params)
        self.fitted(done, X, y)
        return cast(T, done)

    def fitted(self, estimator: Any, X: Any = None, y: Any = None, *, prefix: str = "training") -> None:
        """Keep what a fitted estimator says of itself, and its marks on rows.

        Parameters, feature importances, the signature; of a search its table, its best, and a run for each of
        its best candidates; marks on at most 20,000 of the rows.
        """
        from noria.client.frameworks import sklearn

        guarded(sklearn.tell, None)(self._told, estimator, X, y, prefix)

    def log_model(self, model: Any, to: str = "model") -> None:
        """Keep a fitted model of scikit-learn, LightGBM or XGBoost, or an ONNX one, as a folder without pickle.

        It is a model to MLflow (`mlflow.pyfunc.load_model("runs:/ID/model")`), and to `noria deploy`.
        """
        from noria.client.frameworks import models

        def keep() -> None:
            for path, content in models.folder(model, run=self._told.id).items():
                self._told.keep(content, f"{to}/{path}")

        guarded(keep, None)()

    def lightgbm(self) -> Any:
        """A callback for LightGBM: `lightgbm.train(…, callbacks=[run.lightgbm()])`, `LGBMClassifier().fit(…, callbacks=…)`."""
        from noria.client.frameworks.lightgbm import LightgbmObserver

        return LightgbmObserver(self._told)

    def xgboost(self) -> Any:
        """A callback for XGBoost: `xgboost.train(…, callbacks=[run.xgboost()])`, `XGBClassifier(callbacks=…)`."""
        from noria.client.frameworks.xgboost import XgboostObserver

        return XgboostObserver(self._told)

    def optuna(self) -> Any:
        """A callback for Optuna: `study.optimize(objective, callbacks=[run.optuna()])`; each trial is a run inside this one."""
        from noria.client.frameworks.optuna import OptunaObserver

        return OptunaObserver(self._told)

    def track(self, loader: Iterable[T], name: str = "train", *, every_s: float = 10.0) -> Iterable[T]:
        """Go through batches and tell their pace, and the share of time spent waiting: `for batch in run.track(loader):`."""
        from noria.client.frameworks.loader import Tracked

        return Tracked(self._told, loader, name=name, every_s=every_s)

    def watch(self, module: Any, *, every: int = 100) -> Watched | None:
        """Tell gradients, learning rates and size of a PyTorch module, every so many steps of its optimiser."""
        from noria.client.frameworks.torch import Watched

        def begin() -> Watched | None:
            watched = Watched(self._told, module, every=every)
            watched.describe()
            return watched

        return guarded(begin, None)()

    @property
    def _told(self) -> Told:
        return cast(Told, self)
