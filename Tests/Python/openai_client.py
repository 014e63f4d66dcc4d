"""Drives a server with the unmodified openai client: openai_client.py BASE_URL KEY PICTURE"""
import base64
import sys

import openai

base, key, path = sys.argv[1:]
client = openai.OpenAI(base_url=base, api_key=key, max_retries=0)
uri = "data:image/png;base64," + base64.b64encode(open(path, "rb").read()).decode()
question = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": uri, "detail": "low"}}, {"type": "text", "text": "what?"}]}]

models = client.models.list().data
assert [model.id for model in models] == ["tiny"], models
assert client.models.retrieve("tiny").id == "tiny"

whole = client.chat.completions.create(model="tiny", messages=question, max_tokens=6, temperature=0, extra_body={"visual_tokens": 5})
assert whole.object == "chat.completion" and whole.choices[0].finish_reason in ("stop", "length"), whole
assert whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens
assert whole.usage.prompt_tokens_details.image_tokens == 16, whole.usage
assert whole.visual_tokens["images"][0]["kept"] == 5, whole

text, usage = "", None
with client.chat.completions.create(
    model="tiny", messages=question, max_tokens=6, temperature=0, stream=True, stream_options={"include_usage": True},
    extra_body={"visual_tokens": 5},
) as stream:
    for chunk in stream:
        usage = chunk.usage or usage
        for choice in chunk.choices:
            text += choice.delta.content or ""
assert text.strip() == whole.choices[0].message.content, (text, whole)
assert usage.completion_tokens == whole.usage.completion_tokens

# An answer that comes back as the client sends it.
later = client.chat.completions.create(
    model="tiny", messages=question + [whole.choices[0].message, {"role": "user", "content": "sure?"}], max_tokens=3, temperature=0,
    stop=["never"], seed=3, n=1, user="somebody")
assert later.choices[0].message.role == "assistant"

def fails(kind, status, call):
    try:
        call()
    except kind as error:
        assert error.status_code == status, error
        return error
    raise AssertionError(f"{kind} was expected")

error = fails(openai.BadRequestError, 400, lambda: client.chat.completions.create(model="tiny", messages=question, extra_body={"visual_tokens": 99}))
assert error.param == "visual_tokens" and error.code == "invalid_value" and error.type == "invalid_request_error", error
fails(openai.NotFoundError, 404, lambda: client.chat.completions.create(model="other", messages=question))
fails(openai.BadRequestError, 400, lambda: client.chat.completions.create(model="tiny", messages=question, temperature=-1))
fails(openai.AuthenticationError, 401, lambda: openai.OpenAI(base_url=base, api_key="wrong", max_retries=0).models.list())
print("all is well")
