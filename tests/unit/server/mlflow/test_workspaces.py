"""MLflow's own workspace functions, and what is refused."""

import pytest


def test_a_workspace_is_made_described_listed_used_and_removed_when_empty(client):
    import mlflow
    from mlflow.exceptions import MlflowException

    made = mlflow.create_workspace("lab", description="trials")
    assert (made.name, made.description) == ("lab", "trials")
    assert mlflow.update_workspace("lab", description="more").description == "more"
    assert {"default", "lab"} <= {one.name for one in mlflow.list_workspaces()}
    with pytest.raises(MlflowException) as caught:
        mlflow.create_workspace("lab")
    assert caught.value.error_code == "RESOURCE_ALREADY_EXISTS"
    mlflow.set_workspace("lab")
    try:
        client.create_registered_model("m")
        with pytest.raises(MlflowException, match="still holds registered models"):
            mlflow.delete_workspace("lab")
        client.delete_registered_model("m")
        mlflow.delete_workspace("lab")
        with pytest.raises(MlflowException) as caught:
            mlflow.get_workspace("lab")
        assert caught.value.error_code == "RESOURCE_DOES_NOT_EXIST"
    finally:
        mlflow.set_workspace(None)
