import Inference
import Primitives
import Testing

/// Tests/Fixtures/structured-outputs.json: a schema, texts that are written under it, texts that
/// are not valid, and valid texts that are never written. Tests/Harness/test_structured_outputs.py
/// has another validator judge the same rows.
struct SchemaRow: CustomTestStringConvertible, Sendable {
    let name: String
    let format: OutputFormat
    let accepted, rejected, stricter: [String]

    var testDescription: String { name }

    static let all = Result {
        let text = try ModelFixture.fixture("structured-outputs.json")
        guard case .array(let rows) = try OrderedJSON(text.utf8) else {
            throw ModelFixture.Missing(description: "structured-outputs.json is no list")
        }
        return try rows.map { row in
            func texts(_ name: String) -> [String] {
                guard case .array(let values)? = row[name] else { return [] }
                return values.compactMap { if case .string(let text) = $0 { text } else { nil } }
            }
            guard case .string(let name)? = row["name"], let schema = row["schema"] else {
                throw ModelFixture.Missing(description: "a row has no name or no schema")
            }
            return SchemaRow(
                name: name, format: try OutputFormat(schema: schema),
                accepted: texts("accepted"), rejected: texts("rejected"),
                stricter: texts("stricter"))
        }
    }
}

/// Schemas to automata: what is written under each, and what is refused.
@Suite struct SchemaTests {
    @Test func everyRowIsAcceptedAndRejectedAsItSays() throws {
        let rows = try SchemaRow.all.get()
        #expect(rows.count > 40)
        for row in rows {
            #expect(!row.accepted.isEmpty && !(row.rejected + row.stricter).isEmpty)
            for text in row.accepted {
                #expect(try row.format.accepts(text.utf8), "\(row.name): \(text)")
            }
            for text in row.rejected + row.stricter {
                #expect(try !row.format.accepts(text.utf8), "\(row.name): \(text)")
            }
        }
    }

    @Test func anyObjectIsAnObject() throws {
        for text in ["{}", "{\"a\": [1, {\"b\": null}]}", "{\n  \"a\": \"}\"\n}"] {
            #expect(try OutputFormat.jsonObject.accepts(text.utf8), "\(text)")
        }
        for text in ["[]", "1", "{\"a\":}", "{}}", " {}", ""] {
            #expect(try !OutputFormat.jsonObject.accepts(text.utf8), "\(text)")
        }
        #expect(try OutputFormat.text.accepts("anything".utf8))
    }

    @Test func wholeNumbersInEveryRange() throws {
        for (low, high) in [(-37, 1_208), (0, 0), (-9, -1), (99, 101), (5, 1_000), (-1_000, -998)] {
            let schema = "{\"type\":\"integer\",\"minimum\":\(low),\"maximum\":\(high)}"
            let format = try OutputFormat(schema: schema.utf8)
            let numbers = (-1_300...1_300).filter {
                $0 % 7 == 0 || abs($0 - low) < 3 || abs($0 - high) < 3
            }
            for number in numbers {
                let isAccepted = try format.accepts("\(number)".utf8)
                #expect(
                    isAccepted == (low...high).contains(number), "\(number) in \(low)...\(high)")
            }
        }
    }

    struct Refusal: Sendable {
        let schema: String
        let code: SchemaError.Code

        init(_ schema: String, _ code: SchemaError.Code) {
            self.schema = schema
            self.code = code
        }
    }

    static let refusals = [
        Refusal("{", .notJSON), Refusal("", .notJSON), Refusal("{\"a\":1,\"a\":2}", .notJSON),
        Refusal("{\"type\":\"nul\u{0}\"}", .notJSON), Refusal("nul", .notJSON),
        Refusal(String(repeating: "[", count: 100_000), .tooLarge),
        Refusal("{\"enum\":[\"\(String(repeating: "x", count: 40_000))\"]}", .tooLarge),
        Refusal("{\"multipleOf\":2}", .unsupportedKeyword),
        Refusal("{\"oneOf\":[true]}", .unsupportedKeyword),
        Refusal("{\"not\":{}}", .unsupportedKeyword),
        Refusal("{\"type\":\"object\",\"patternProperties\":{}}", .unsupportedKeyword),
        Refusal("{\"type\":\"array\",\"uniqueItems\":true}", .unsupportedKeyword),
        Refusal("{\"allOf\":[true,true]}", .unsupportedKeyword),
        Refusal("{\"type\":\"number\",\"minimum\":0}", .unsupportedKeyword),
        Refusal("{\"type\":\"string\",\"format\":\"uri\"}", .unsupportedKeyword),
        Refusal("{\"type\":\"string\",\"pattern\":\"a\",\"minLength\":1}", .unsupportedKeyword),
        Refusal("{\"enum\":[1],\"minimum\":0}", .unsupportedKeyword),
        Refusal("{\"$ref\":\"#\",\"type\":\"object\"}", .unsupportedKeyword),
        Refusal("{\"anyOf\":[true],\"properties\":{}}", .unsupportedKeyword),
        Refusal(
            "{\"properties\":{\"é\":true},\"additionalProperties\":true}", .unsupportedKeyword),
        Refusal("[]", .invalidKeyword), Refusal("{\"type\":\"text\"}", .invalidKeyword),
        Refusal("{\"type\":[]}", .invalidKeyword), Refusal("{\"enum\":[]}", .invalidKeyword),
        Refusal("{\"anyOf\":[]}", .invalidKeyword), Refusal("{\"$ref\":1}", .invalidKeyword),
        Refusal("{\"required\":\"a\"}", .invalidKeyword),
        Refusal("{\"properties\":[]}", .invalidKeyword),
        Refusal("{\"properties\":{\"a\":1}}", .invalidKeyword),
        Refusal("{\"minItems\":-1}", .invalidKeyword),
        Refusal("{\"minLength\":\"1\"}", .invalidKeyword),
        Refusal("{\"minimum\":1e30}", .invalidKeyword), Refusal("{\"pattern\":1}", .invalidKeyword),
        Refusal("{\"$ref\":\"#/$defs/a\"}", .unknownReference),
        Refusal("{\"$ref\":\"https://example.org/a\"}", .unknownReference),
        Refusal("{\"$ref\":\"#\"}", .circularReference),
        Refusal(
            "{\"$ref\":\"#/$defs/a\",\"$defs\":{\"a\":{\"anyOf\":[{\"$ref\":\"#/$defs/b\"},true]},"
                + "\"b\":{\"allOf\":[{\"$ref\":\"#/$defs/a\"}]}}}", .circularReference),
        Refusal("false", .impossible), Refusal("{\"anyOf\":[false,false]}", .impossible),
        Refusal("{\"items\":{\"$ref\":\"#\"},\"minItems\":1}", .impossible),
        Refusal("{\"minLength\":5,\"maxLength\":3}", .impossible),
        Refusal("{\"minItems\":5,\"maxItems\":3}", .impossible),
        Refusal("{\"type\":\"integer\",\"minimum\":5,\"maximum\":3}", .impossible),
        Refusal("{\"enum\":[\"a\"],\"type\":\"integer\"}", .impossible),
        Refusal(
            "{\"properties\":{},\"required\":[\"a\"],\"additionalProperties\":false}", .impossible),
        Refusal("{\"type\":\"string\",\"pattern\":\"^[^\\\\s\\\\S]$\"}", .impossible),
        Refusal("{\"maxLength\":1000000}", .tooComplex),
        Refusal("{\"minItems\":1000000000}", .tooComplex),
        Refusal("{\"pattern\":\"(a{1000}){1000}\"}", .tooComplex),
        Refusal("{\"pattern\":\"(((){1000}){1000}){1000}\"}", .tooComplex),
        Refusal("{\"pattern\":\".*a.{300}b\"}", .tooComplex),
        Refusal(
            "{\"properties\":{\((0..<129).map { "\"p\($0)\":true" }.joined(separator: ","))}}",
            .tooComplex),
        Refusal("{\"pattern\":\"(?=a)\"}", .unsupportedPattern),
        Refusal("{\"pattern\":\"a**\"}", .unsupportedPattern),
        Refusal("{\"pattern\":\"\\\\1\"}", .unsupportedPattern),
        Refusal("{\"pattern\":\"[b-a]\"}", .unsupportedPattern),
        Refusal("{\"pattern\":\"(a\"}", .unsupportedPattern),
        Refusal("{\"pattern\":\"a)\"}", .unsupportedPattern),
        Refusal("{\"pattern\":\"[a\"}", .unsupportedPattern),
        Refusal("{\"pattern\":\"a{2,1}\"}", .unsupportedPattern),
        Refusal("{\"pattern\":\"(^a)\"}", .unsupportedPattern),
        Refusal(
            "{\"pattern\":\"\(String(repeating: "(", count: 2_000))\"}", .unsupportedPattern),
    ]

    @Test(arguments: refusals)
    func whatCannotBeEnforcedIsRefused(refusal: Refusal) {
        let error = #expect(throws: SchemaError.self) {
            _ = try OutputFormat(schema: refusal.schema.utf8).accepts("".utf8)
        }
        #expect(
            error?.code == refusal.code,
            "\(refusal.schema.prefix(120)): \(String(describing: error))")
        #expect(error?.description.utf8.count ?? 0 < 1_000)
    }

    @Test func everyCodeHasARefusal() {
        #expect(Set(Self.refusals.map(\.code)) == Set(SchemaError.Code.allCases))
    }

    @Test func thePageListsTheCodes() throws {
        let page = try ModelFixture.page("structured-outputs.md").joined(separator: "\n")
        for code in SchemaError.Code.allCases {
            #expect(page.contains("| \(code.rawValue) | `\(code)` |"))
        }
    }

    @Test func whatIsCommittedToIsTheSchemaWithoutWhiteSpaceInItsOrder() throws {
        let spaced =
            "{ \"type\" : \"object\",\n\"properties\":{\"b\":{},\"a\":{}},\"x-\\u0041\":1.50 }"
        let compact = "{\"type\":\"object\",\"properties\":{\"b\":{},\"a\":{}},\"x-A\":1.50}"
        #expect(try OutputFormat(schema: spaced.utf8) == .jsonSchema(Array(compact.utf8)))
        for format in [OutputFormat.text, .jsonObject, try OutputFormat(schema: spaced.utf8)] {
            #expect(try OutputFormat(canonicalBytes: format.canonicalBytes()) == format)
        }
    }
}
