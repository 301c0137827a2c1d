import Foundation
import Inference
import Service
import Testing

/// Text as tokens come, cut at stop strings, whatever the pieces.
@Suite struct AnswerTextTests {
    private func tokenizer() throws -> Tokenizer {
        let path = URL(filePath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: ".models/SmolLM2-135M-Instruct.Q4_1.gguf").path()
        return try ModelFile(path: path).tokenizer
    }

    @Test(
        arguments: [
            ("plain words here", [], "plain words here"),
            ("one two three", ["two"], "one "),
            ("one two three", ["three", "two"], "one "),
            ("ababac", ["abac"], "ab"),
            ("a\r\nb\nc", ["\n"], "a\r"),
            ("cafe\u{301}s are nice", ["e"], "caf"),
            ("日本語 🌍 text", ["🌍"], "日本語 "),
            ("ends with sto", ["stop"], "ends with sto"),
            ("nothing", [""], "nothing"),
            ("stop", ["stop"], ""),
        ] as [(String, [String], String)])
    func isCutAtTheFirstStop(text: String, stops: [String], wanted: String) throws {
        let tokenizer = try tokenizer()
        var answer = AnswerText(tokenizer: tokenizer, stops: stops)
        var got = ""
        for token in try tokenizer.encode(text) { got += answer.append(token) }
        got += answer.finish()
        #expect(got.utf8.elementsEqual(wanted.utf8))
        #expect(answer.isStopped == (wanted != text))
    }

    /// What is given out never has to be taken back: no piece holds a part of the stop string.
    @Test func nothingOfAStopStringEscapes() throws {
        let tokenizer = try tokenizer()
        let text = "We say END, then EN and END of it."
        var answer = AnswerText(tokenizer: tokenizer, stops: ["END of"])
        var pieces: [String] = []
        for token in try tokenizer.encode(text) { pieces.append(answer.append(token)) }
        #expect(pieces.joined() == "We say END, then EN and ")
        #expect(answer.isStopped)
        #expect(answer.append(5).isEmpty)
        #expect(answer.finish().isEmpty)
    }
}
