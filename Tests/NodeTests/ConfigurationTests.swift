import Cryptography
import Foundation
import Inference
import Node
import Primitives
import Testing

struct ConfigurationTests {
    private func configuration() throws -> NodeConfiguration {
        var configuration = NodeConfiguration(
            house: "http://127.0.0.1:1", identityFile: "id", keyFile: "key", modelPath: "model")
        configuration.offers = [
            .init(layers: LayerRange(0, 10), inputPrice: "0.10", outputPrice: "0.40")
        ]
        return configuration
    }

    @Test func whatCannotBeIsRefusedBeforeAnythingIsRead() throws {
        try configuration().check()
        let changes: [(inout NodeConfiguration) -> Void] = [
            { $0.house = "house.example" },
            { $0.offers = [] },
            { $0.offers[0].inputPrice = "cheap" },
            { $0.offers[0].outputPrice = "-1" },
            { $0.offers[0].outputPrice = "99999999999" },
            { $0.offers[0].concurrency = 0 },
            { $0.offers[0].context = 1 },
            { $0.threads = 0 },
            { $0.upstream = .init(url: "127.0.0.1:8081") },
            { $0.upstream = .init(url: "http://127.0.0.1:8081") },
            {
                $0.offers[0].layers = nil
                $0.upstream = .init(url: "http://127.0.0.1:8081")
                $0.upstream?.patience = .zero
            },
            {
                $0.offers[0].layers = nil
                $0.upstream = .init(url: "http://user:secret@127.0.0.1:8081")
            },
            {
                $0.offers[0].layers = nil
                $0.upstream = .init(url: "http://127.0.0.1:8081/?key=secret")
            },
            {
                $0.offers[0].layers = nil
                $0.upstream = .init(url: "http://127.0.0.1:8081")
                $0.serveWeights = "other.gguf"
            },
        ]
        for change in changes {
            var bad = try configuration()
            change(&bad)
            #expect { try bad.check() } throws: { ($0 as? NodeError)?.code == .badConfiguration }
        }
        var verifier = try configuration()
        verifier.offers = []
        verifier.isVerifier = true
        try verifier.check()
    }

    @Test(arguments: [
        ("0..<10", LayerRange(0, 10)), ("29..<30", LayerRange(29, 30)), ("10..<10", nil),
        ("3", nil), ("3..<", nil), ("..<3", nil), ("-1..<3", nil), ("0..<1..<2", nil),
        ("0..<70000", nil), ("", nil),
    ])
    func layersAreReadAsTheyArePrinted(text: String, range: LayerRange?) {
        #expect(LayerRange(text: text) == range)
        if let range { #expect(range.description == text) }
    }

    @Test func anIdentityIsMadeOnceAndOnlyForItsOwner() throws {
        let folder = FileManager.default.temporaryDirectory
            .appending(path: "exchequer-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let path = folder.appending(path: "identity").path()
        let made = try KeyFiles.identity(at: path)
        #expect(try KeyFiles.identity(at: path).publicKey == made.publicKey)
        let attributes = try FileManager.default.attributesOfItem(atPath: path)
        #expect(attributes[.posixPermissions] as? Int == 0o600)

        let account = folder.appending(path: "account").path()
        for text in ["", "zz", "00", String(repeating: "0", count: 64)] {
            try Data(text.utf8).write(to: URL(filePath: account))
            #expect {
                try KeyFiles.account(at: account)
            } throws: { error in
                (error as? NodeError)?.code == .badKeyFile
            }
        }
        #expect(throws: NodeError.self) { try KeyFiles.account(at: path + "-missing") }
        #expect(throws: NodeError.self) { try KeyFiles.identity(at: path + "/none/identity") }
        try Data(("0x" + String(repeating: "0", count: 63) + "1\n").utf8)
            .write(to: URL(filePath: account))
        // The address of private key 1 is well known.
        #expect(
            try KeyFiles.account(at: account).address.hex
                == "0x7e5f4552091a69125d5dfcb7b8c2659029395bdf")
    }

    @Test func requestsAreSignedOverAllTheirParts() throws {
        let key = try NodeFixture.key(1)
        let signer = RequestSigner(identity: key)
        let body = Array("{}".utf8)
        var texts: Set<String> = []
        for _ in 0..<100 {
            let headers = signer.headers(method: "POST", path: "/v1/x?y=1", body: body)
            #expect(
                headers.map(\.name) == [
                    "Exchequer-Node", "Exchequer-Time", "Exchequer-Signature",
                ])
            #expect(headers[0].value == key.publicKey.hex)
            let time = try #require(UInt64(headers[1].value))
            let text =
                "exchequer-request-v1\nPOST\n/v1/x?y=1\n\(time)\n"
                + "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
            let signature = try #require(
                Hex.decode(headers[2].value).flatMap(Signature.init))
            #expect(key.publicKey.verifies(signature, of: Array(text.utf8)))
            texts.insert(text)
        }
        #expect(texts.count == 100)
    }

    private static let assignment = """
        {"job":7,"attempt":1,"stage":1,"stages":3,"layers":[10,20],"model":"\(root)",\
        "weights":"\(root)","profile":"\(root)","prompt_tokens":4,"max_tokens":9,\
        "sampling":"\(Hex.encode(SamplingParameters.greedy.canonicalBytes()))"}
        """
    private static let root = String(repeating: "ab", count: 32)

    @Test func assignmentsAreReadStrictly() throws {
        let good = try Assignment(json: Self.assignment)
        #expect(good.job == JobID(7))
        #expect(good.layers == LayerRange(10, 20))
        #expect(good.capacity == 12)
        #expect(good.model.hex == Self.root)
        #expect(good.sampling == .greedy)
        #expect(good.promptSet.isEmpty && good.scores == nil)
        let changes = [
            ("\"max_tokens\":9", "\"max_tokens\":9,\"logprobs\":21"),
            ("\"max_tokens\":9", "\"max_tokens\":9,\"logprobs\":-1"),
            ("\"job\":7", "\"job\":0"), ("\"job\":7", "\"job\":-7"), ("\"job\":7", "\"job\":\"7\""),
            ("\"attempt\":1", "\"attempt\":0"), ("\"stage\":1", "\"stage\":3"),
            ("[10,20]", "[20,10]"), ("[10,20]", "[10]"), ("[10,20]", "[10,20,30]"),
            ("\"prompt_tokens\":4", "\"prompt_tokens\":0"), ("\"max_tokens\":9,", ""),
            ("\"max_tokens\":9", "\"max_tokens\":4294967296"), (Self.root, "ab"),
            ("\"sampling\":\"", "\"sampling\":\"00"), ("{", "["),
        ]
        for (from, to) in changes {
            let text = Self.assignment.replacingOccurrences(of: from, with: to)
            #expect(text != Self.assignment)
            #expect {
                try Assignment(json: text)
            } throws: { error in
                (error as? NodeFault)?.code == .badAssignment
            }
        }
    }

    /// The last stage gets the prompt that its penalties count, and it must be the signed one.
    @Test func thePromptOfPenaltiesIsCheckedAgainstItsHash() throws {
        let sampling = Hex.encode(
            NodeFixture.penalised.committed(to: [9, 4, 9]).canonicalBytes())
        func text(_ more: String, stage: Int = 2) -> String {
            """
            {"job":7,"attempt":1,"stage":\(stage),"stages":3,"layers":[10,20],\
            "model":"\(Self.root)","weights":"\(Self.root)","profile":"\(Self.root)",\
            "prompt_tokens":3,"max_tokens":9,"sampling":"\(sampling)"\(more)}
            """
        }
        let good = try Assignment(json: text(",\"prompt_set\":[4,9],\"logprobs\":20"))
        #expect(good.promptSet == [4, 9] && good.scores == 20)
        #expect(try Assignment(json: text("", stage: 1)).promptSet.isEmpty)
        for more in ["", "[]", "[4]", "[9,4]", "[4,9,9]", "[4,4,9]", "[4,10]", "[3,4,5,9]"] {
            let field = more.isEmpty ? "" : ",\"prompt_set\":\(more)"
            #expect {
                try Assignment(json: text(field))
            } throws: { error in
                (error as? NodeFault)?.code == .badAssignment
            }
        }
    }
}
