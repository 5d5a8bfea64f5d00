"""What an answer of Gemini rests on, as annotations."""

from __future__ import annotations

from .gemini_wire import answer, decoded, streamed


def test_grounding_becomes_annotations_once() -> None:
    grounding = {
        "groundingChunks": [{"web": {"uri": "https://a.example", "title": "A"}}],
        "groundingSupports": [
            {"segment": {"startIndex": 1, "endIndex": 4}, "groundingChunkIndices": [0, 9]}
        ],
    }
    expected = {
        "type": "url_citation",
        "url_citation": {
            "url": "https://a.example",
            "title": "A",
            "start_index": 1,
            "end_index": 4,
        },
    }
    body = answer({"text": "abcd"}, groundingMetadata=grounding, finishReason="STOP")
    assert decoded(body).choices[0]["message"]["annotations"] == [expected]
    chunks = streamed(answer({"text": "a"}, groundingMetadata=grounding), body)
    found = [
        one
        for chunk in chunks
        for choice in chunk.choices
        for one in choice["delta"].get("annotations", [])
    ]
    assert found == [expected]


def test_places_in_the_text_are_counted_in_characters() -> None:
    text = "22 °C € sonnig. Ja."
    segments = [
        {"endIndex": 2},
        {"startIndex": 3, "endIndex": 18},
        {"startIndex": 19, "endIndex": 99},
    ]
    supports = [{"segment": segment, "groundingChunkIndices": [0]} for segment in segments]
    grounding = {
        "groundingChunks": [{"web": {"uri": "https://a.example"}}],
        "groundingSupports": supports,
    }
    last = answer({"text": text[5:]}, groundingMetadata=grounding, finishReason="STOP")
    whole = decoded(answer({"text": text}, groundingMetadata=grounding, finishReason="STOP"))
    for found in (
        whole.choices[0]["message"]["annotations"],
        streamed(answer({"text": text[:5]}), last)[1].choices[0]["delta"]["annotations"],
    ):
        places = [one["url_citation"] for one in found]
        said = [text[one["start_index"] : one["end_index"]] for one in places]
        assert said == ["22", "°C € sonnig.", "Ja."]


def test_sources_do_not_multiply() -> None:
    grounding = {
        "groundingChunks": [{"web": {"uri": "https://a.example/" + "a" * 100_000, "title": "A"}}],
        "groundingSupports": [{"segment": {}, "groundingChunkIndices": [0] * 5000}],
    }
    body = answer({"text": "abcd"}, groundingMetadata=grounding, finishReason="STOP")
    told = decoded(body).choices[0]["message"]["annotations"]
    assert len(told) == 1000
    assert len(told[0]["url_citation"]["url"]) < 10_000
