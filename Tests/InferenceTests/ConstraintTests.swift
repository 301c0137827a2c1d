import Inference
import Testing

/// Which tokens may follow.
@Suite struct ConstraintTests {
    /// Each way of a schema to lead a walk: texts, lengths, patterns, choices, recursion.
    private static let schemas = [
        """
        {"type":"object","properties":{"name":{"type":"string"},"zip":{"type":"string",\
        "pattern":"^\\\\d{5}$"},"tags":{"type":"array","items":{"type":"string","minLength":2,\
        "maxLength":9}}},"required":["name","zip","tags"],"additionalProperties":false}
        """,
        """
        {"$ref":"#/$defs/x","$defs":{"x":{"anyOf":[{"type":"array","items":{"$ref":"#/$defs/x"}},\
        {"type":"array","items":{"anyOf":[{"$ref":"#/$defs/x"},{"type":"null"}]}},\
        {"type":"string","maxLength":7}]}}}
        """,
        "{\"enum\":[\"ä\",\"a\",\"😀\",\"日本\",12]}",
    ]

    private func formats() throws -> [OutputFormat] {
        try [.jsonObject] + Self.schemas.map { try OutputFormat(schema: $0.utf8) }
    }

    private func constraint(
        _ format: OutputFormat, _ tokenizer: Tokenizer
    ) throws -> OutputConstraint {
        try #require(try OutputConstraints(tokenizer).constraint(for: format))
    }

    /// Random choices that are the same in every run.
    private struct Dice: RandomNumberGenerator {
        var state: UInt64

        mutating func next() -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return (state ^ state >> 29) &* 0xbf58_476d_1ce4_e5b9
        }
    }

    /// Walks through a format with random tokens that are allowed. Returns the text if it ended.
    private func walk(
        _ constraint: OutputConstraint, _ tokenizer: Tokenizer, seed: UInt64, steps: Int,
        comparing: Int = 0
    ) throws -> [UInt8]? {
        var dice = Dice(state: seed)
        var progress = constraint.start
        var text: [UInt8] = []
        for step in 0..<steps {
            let mask = constraint.allowed(after: progress)
            let allowed = (0..<Int32(tokenizer.count)).filter(mask.contains)
            if step < comparing {
                let expected = (0..<Int32(tokenizer.count)).filter {
                    canFollow($0, progress, constraint, tokenizer)
                }
                #expect(allowed == expected, "after \(String(decoding: text, as: UTF8.self))")
            }
            // Ends come seldom among so many tokens.
            let ends = allowed.filter(tokenizer.isEnd)
            if progress.isComplete, step > steps / 2 || allowed.count == ends.count { return text }
            let token = try #require(
                allowed.filter { !tokenizer.isEnd($0) }.randomElement(using: &dice))
            text += tokenizer.bytes(of: token)
            progress = constraint.progress(progress, after: token)
            #expect(!progress.isBroken)
        }
        return nil
    }

    /// The obvious way: read the bytes.
    private func canFollow(
        _ token: Int32, _ progress: OutputConstraint.Progress, _ constraint: OutputConstraint,
        _ tokenizer: Tokenizer
    ) -> Bool {
        if tokenizer.isEnd(token) { return progress.isComplete }
        let kind = tokenizer.kind(token)
        guard kind == .normal || kind == .byte || kind == .userDefined else { return false }
        guard !tokenizer.bytes(of: token).isEmpty else { return false }
        return !constraint.progress(progress, after: token).isBroken
    }

    @Test func masksAreTheTokensWhoseBytesCanBeRead() throws {
        let large = try ModelFixture.model().tokenizer
        let small = try Tokenizer(
            GGUFFile(bytes: ModelFixture.vocabulary("sentence-pieces-plain")))
        for (number, format) in try formats().enumerated() {
            let seed = UInt64(number)
            _ = try walk(try constraint(format, large), large, seed: seed, steps: 3, comparing: 3)
            let constraint = try constraint(format, small)
            for seed in 0..<6 as Range<UInt64> {
                _ = try walk(constraint, small, seed: seed, steps: 40, comparing: 40)
            }
        }
    }

    @Test func whatIsKeptDoesNotDecide() throws {
        let tokenizer = try ModelFixture.model().tokenizer
        for format in try formats() {
            let used = try constraint(format, tokenizer)
            for seed in 0..<4 as Range<UInt64> {
                let fresh = try constraint(format, tokenizer)
                let text = try walk(fresh, tokenizer, seed: seed, steps: 60)
                #expect(try walk(used, tokenizer, seed: seed, steps: 60) == text)
                if let text { #expect(try format.accepts(text)) }
            }
        }
    }

    @Test func theEndComesOnlyWhenNothingIsMissing() throws {
        let tokenizer = try ModelFixture.model().tokenizer
        let end = try #require(tokenizer.endToken)
        let constraint = try constraint(.jsonObject, tokenizer)
        var progress = constraint.start
        for token in try tokenizer.encode("{\"a\": {\"b\": [1]}}") {
            #expect(!constraint.allowed(after: progress).contains(end))
            #expect(constraint.allowed(after: progress).contains(token))
            progress = constraint.progress(progress, after: token)
        }
        let last = constraint.allowed(after: progress)
        #expect(progress.isComplete && last.contains(end))
        #expect((0..<Int32(tokenizer.count)).filter(last.contains).allSatisfy(tokenizer.isEnd))
        #expect(constraint.progress(progress, after: end) == progress)
    }

    @Test func partsOfCharactersAreTokensToo() throws {
        let tokenizer = try ModelFixture.model().tokenizer
        func token(_ byte: UInt8) throws -> Int32 {
            try #require((0..<Int32(tokenizer.count)).first { tokenizer.bytes(of: $0) == [byte] })
        }
        let constraint = try constraint(
            try OutputFormat(schema: "{\"type\":\"string\",\"maxLength\":1}".utf8), tokenizer)
        var progress = constraint.start
        for byte in Array("\"😀\"".utf8) {
            let mask = constraint.allowed(after: progress)
            #expect(mask.contains(try token(byte)))
            // The second byte after F0 is never below 90.
            if byte == 0x9f { #expect(!mask.contains(try token(0x85))) }
            progress = constraint.progress(progress, after: try token(byte))
        }
        #expect(progress.isComplete)
    }

    @Test(arguments: ["true", schemas[1]])
    func anAnswerIsNeverNestedSoDeepThatItCannotEnd(schema: String) throws {
        let tokenizer = try ModelFixture.model().tokenizer
        let format = try OutputFormat(schema: schema.utf8)
        let constraint = try constraint(format, tokenizer)
        let open = try #require(try tokenizer.encode("[").first)
        let close = try #require(try tokenizer.encode("]").first)
        var progress = constraint.start
        var depth = 0
        while constraint.allowed(after: progress).contains(open), depth < 1_000 {
            progress = constraint.progress(progress, after: open)
            depth += 1
        }
        #expect(depth > 40 && depth < 200)
        for _ in 0..<depth {
            #expect(constraint.allowed(after: progress).contains(close))
            progress = constraint.progress(progress, after: close)
        }
        #expect(progress.isComplete)
    }

    @Test func aValueThatTheVocabularyCannotSpellIsImpossible() throws {
        // The demonstration model has no token with the byte F1, with which U+40000 begins.
        let tokenizer = try ModelFixture.model().tokenizer
        let rare = try OutputFormat(schema: "{\"const\":\"\u{40000}\"}".utf8)
        let error = #expect(throws: SchemaError.self) { try constraint(rare, tokenizer) }
        #expect(error?.code == .impossible)
        let choice = try OutputFormat(schema: "{\"enum\":[\"\u{40000}\",\"a\"]}".utf8)
        #expect(try walk(try constraint(choice, tokenizer), tokenizer, seed: 1, steps: 9) != nil)
    }
}
