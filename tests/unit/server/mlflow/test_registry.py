"""MLflow's own client against the registry."""

import mlflow
import pytest
from mlflow.exceptions import MlflowException, RestException

ELSEWHERE = "s3://bucket/churn"


def test_models_and_versions_are_registered_read_changed_and_deleted(client):
    made = client.create_registered_model("churn", tags={"team": "crm"}, description="who leaves")
    assert (made.name, made.tags, made.description) == ("churn", {"team": "crm"}, "who leaves")
    with pytest.raises(MlflowException, match="already exists") as error:
        client.create_registered_model("churn")
    assert error.value.error_code == "RESOURCE_ALREADY_EXISTS"
    version = client.create_model_version("churn", ELSEWHERE, tags={"a": "1"}, description="first")
    assert (version.version, version.source, version.tags, version.status, version.current_stage) == (
        "1",
        ELSEWHERE,
        {"a": "1"},
        "READY",
        "None",
    )
    assert client.get_model_version_download_uri("churn", "1") == ELSEWHERE
    assert client.update_model_version("churn", "1", "better").description == "better"
    client.set_model_version_tag("churn", "1", "b", "2")
    client.delete_model_version_tag("churn", "1", "a")
    assert client.get_model_version("churn", "1").tags == {"b": "2"}
    client.set_registered_model_tag("churn", "more", "x")
    client.delete_registered_model_tag("churn", "team")
    assert client.update_registered_model("churn", "all who leave").description == "all who leave"
    assert client.get_registered_model("churn").tags == {"more": "x"}
    client.rename_registered_model("churn", "leavers")
    assert client.get_registered_model("leavers").latest_versions[0].name == "leavers"
    client.delete_model_version("leavers", "1")
    assert client.create_model_version("leavers", ELSEWHERE).version == "2"
    client.delete_registered_model("leavers")
    with pytest.raises(RestException) as error:
        client.get_registered_model("leavers")
    assert error.value.error_code == "RESOURCE_DOES_NOT_EXIST"


def test_aliases_and_stages_move_and_the_ledger_says_by_whom(client, tracking):
    client.create_registered_model("churn")
    for _ in range(2):
        client.create_model_version("churn", ELSEWHERE)
    client.set_registered_model_alias("churn", "best", "1")
    client.set_registered_model_alias("churn", "best", "2")
    assert client.get_model_version_by_alias("churn", "best").version == "2"
    assert client.get_registered_model("churn").aliases == {"best": "2"}
    assert client.get_model_version("churn", "2").aliases == ["best"]
    client.delete_registered_model_alias("churn", "best")
    with pytest.raises(MlflowException, match="Registered model alias best not found"):
        client.get_model_version_by_alias("churn", "best")
    with pytest.raises(MlflowException, match="is reserved"):
        client.set_registered_model_alias("churn", "v1", "1")
    with pytest.warns(FutureWarning, match="deprecated"):
        client.transition_model_version_stage("churn", "1", "Production")
        client.transition_model_version_stage("churn", "2", "production", archive_existing_versions=True)
        assert [(one.version, one.current_stage) for one in client.get_latest_versions("churn")] == [("1", "Archived"), ("2", "Production")]
    events = [(event.kind, event.by, event.reasons[0]) for event in tracking.ledger.events(loop="churn") if event.kind.endswith(".moved")]
    assert events[0] == ("alias.moved", "local", "best: none → v1")
    assert events[-1] == ("stage.moved", "local", "stage: None → Production")


def test_searches_page_and_hide_prompts(client):
    for n in range(5):
        client.create_registered_model(f"m{n}", tags={"even": str(n % 2 == 0)})
    mlflow.genai.register_prompt("hello", "Hello {{name}}")
    first = client.search_registered_models(max_results=3)
    assert [one.name for one in first] == ["m0", "m1", "m2"]
    assert [one.name for one in client.search_registered_models(max_results=3, page_token=first.token)] == ["m3", "m4"]
    assert [one.name for one in client.search_registered_models("tags.even = 'True'", order_by=["name DESC"])] == ["m4", "m2", "m0"]
    client.create_model_version("m1", ELSEWHERE)
    client.create_model_version("m2", ELSEWHERE)
    assert [(one.name, one.version) for one in client.search_model_versions("name = 'm1'")] == [("m1", "1")]
    assert len(client.search_model_versions()) == 2


def test_a_run_s_files_are_registered_copied_and_must_be_its_own(client):
    run = client.create_run("0")
    client.create_registered_model("churn")
    source = f"{run.info.artifact_uri}/model"
    assert client.create_model_version("churn", source, run_id=run.info.run_id).run_id == run.info.run_id
    copied = client.copy_model_version("models:/churn/1", "copy")
    assert (copied.version, copied.run_id, copied.source) == ("1", run.info.run_id, "models:/churn/1")
    assert client.get_model_version_download_uri("copy", "1") == source
    other = client.create_run("0")
    for refused in (source, "file:///etc", "mlflow-artifacts:/0/../../x", f"runs:/{run.info.run_id}/model"):
        with pytest.raises(MlflowException, match="Invalid model version source") as error:
            client.create_model_version("churn", refused, run_id=other.info.run_id)
        assert error.value.error_code == "INVALID_PARAMETER_VALUE"


def test_prompts_are_written_read_aliased_searched_and_linked(client):
    first = mlflow.genai.register_prompt("hello", "Hello {{name}}", commit_message="first", tags={"lang": "en"})
    second = mlflow.genai.register_prompt("hello", [{"role": "user", "content": "Hi {{name}}"}])
    assert (first.version, second.version) == (1, 2)
    mlflow.genai.set_prompt_alias("hello", alias="live", version=1)
    loaded = mlflow.genai.load_prompt("prompts:/hello@live")
    assert (loaded.version, loaded.format(name="Ada"), loaded.commit_message, loaded.tags["lang"]) == (1, "Hello Ada", "first", "en")
    assert mlflow.genai.load_prompt("prompts:/hello/2").template == [{"role": "user", "content": "Hi {{name}}"}]
    assert [one.name for one in mlflow.genai.search_prompts(filter_string="name = 'hello'")] == ["hello"]
    with pytest.raises(MlflowException, match="already taken by a prompt"):
        client.create_registered_model("hello")
    with mlflow.start_run() as run:
        assert mlflow.genai.load_prompt("prompts:/hello/1").version == 1
    assert "hello" in client.get_run(run.info.run_id).data.tags.get("mlflow.linkedPrompts", "")


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda client: client.create_registered_model(""), "Missing value for required parameter 'name'"),
        (lambda client: client.create_registered_model("a/b"), "Names cannot contain"),
        (lambda client: client.get_registered_model("none"), "Registered Model with name=none not found"),
        (lambda client: client.get_model_version("none", "1"), r"Model Version \(name=none, version=1\) not found"),
        (lambda client: client.get_model_version("none", "x"), "must be an integer"),
        (lambda client: client.search_registered_models("size = 3"), "Invalid attribute key"),
        (lambda client: client.search_model_versions("name ~ 'x'"), "Invalid"),
    ],
)
def test_mistakes_are_told_as_the_client_expects_them(client, call, said):
    with pytest.raises(MlflowException, match=said):
        call(client)
