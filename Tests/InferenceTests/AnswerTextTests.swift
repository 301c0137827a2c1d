import Inference
import Primitives
import Testing

/// Text as tokens come, cut at stop strings, whatever the pieces.
@Suite struct AnswerTextTests {
    private func tokenizer() throws -> Tokenizer { try ModelFixture.model().tokenizer }

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

    /// Each token's score comes with the text that it begins in; what is cut off has none.
    @Test func scoresComeWithTheirText() throws {
        let tokenizer = try tokenizer()
        for (text, stops) in [
            ("We say END, then EN and END of it.", ["END of"]), ("日本語 🌍 text", []),
            ("ends with sto", ["stop"]), ("one two three", ["wo"]), ("stop", ["stop"]),
        ] {
            var answer = AnswerText(tokenizer: tokenizer, stops: stops)
            var (got, scored): (String, [Int32]) = ("", [])
            let tokens = try tokenizer.encode(text)
            for token in tokens {
                let score = PositionScore(
                    chosen: TokenProbability(token: token, logProbability: -1), top: [])
                got += answer.append(token, score: score)
                scored += answer.takeScores().map(\.chosen.token)
                // Nothing is said of text that is still held back.
                let begun = tokenizer.decode(Array(scored.dropLast())).utf8.count
                #expect(scored.isEmpty || begun <= got.utf8.count)
            }
            got += answer.finish()
            scored += answer.takeScores().map(\.chosen.token)
            #expect(scored[...] == tokens.prefix(scored.count))
            let before = tokenizer.decode(Array(scored.dropLast())).utf8.count
            let through = tokenizer.decode(scored).utf8.count
            #expect(scored.isEmpty ? got.isEmpty : before < got.utf8.count)
            #expect(through >= got.utf8.count)
            if !answer.isStopped { #expect(scored == tokens) }
        }
    }
}
