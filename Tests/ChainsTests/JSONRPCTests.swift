import Chains
import Cryptography
import LoopbackServer
import Primitives
import Synchronization
import Testing
import Transport

/// Servers that are no node, or a broken one.
@Suite(.timeLimit(.minutes(10)))
struct JSONRPCTests {
    struct Answer: Sendable, CustomTestStringConvertible {
        let testDescription: String
        var status = 200
        /// The body; ID stands for the call's id.
        let body: String
        let error: RPCError
        var isUnknown = true
    }

    private static let family = "\u{1F468}\u{200D}\u{1F469}\u{200D}\u{1F467}\u{200D}\u{1F466}"

    static let answers = [
        Answer(
            testDescription: "a proxy's error page", status: 502, body: "<html>",
            error: .status(502)),
        Answer(
            testDescription: "a refused token", status: 401, body: "", error: .status(401),
            isUnknown: false),
        Answer(
            testDescription: "a result with an HTTP error", status: 500,
            body: #"{"jsonrpc":"2.0","id":ID,"result":"0x1"}"#, error: .status(500)),
        Answer(
            testDescription: "no JSON", body: "<html>502 Bad Gateway",
            error: .malformed("m: not JSON")),
        Answer(testDescription: "nothing", body: "", error: .malformed("m: not JSON")),
        Answer(
            testDescription: "half an answer", body: #"{"jsonrpc":"2.0","id":ID,"resu"#,
            error: .malformed("m: not JSON")),
        Answer(
            testDescription: "another id", body: #"{"jsonrpc":"2.0","id":999999,"result":"0x1"}"#,
            error: .malformed("m: id")),
        Answer(
            testDescription: "no id", body: #"{"jsonrpc":"2.0","id":null,"result":"0x1"}"#,
            error: .malformed("m: id")),
        Answer(
            testDescription: "an error for another id",
            body: #"{"jsonrpc":"2.0","id":999999,"error":{"code":1,"message":"x"}}"#,
            error: .malformed("m: id")),
        Answer(
            testDescription: "another version", body: #"{"jsonrpc":"1.0","id":ID,"result":"0x1"}"#,
            error: .malformed("m: version")),
        Answer(
            testDescription: "no version", body: #"{"id":ID,"result":"0x1"}"#,
            error: .malformed("m: no jsonrpc")),
        Answer(
            testDescription: "neither result nor error", body: #"{"jsonrpc":"2.0","id":ID}"#,
            error: .malformed("m: no result")),
        Answer(
            testDescription: "null", body: #"{"jsonrpc":"2.0","id":ID,"result":null}"#,
            error: .malformed("m: no result")),
        Answer(
            testDescription: "another type", body: #"{"jsonrpc":"2.0","id":ID,"result":7}"#,
            error: .malformed("m: bad result")),
        Answer(
            testDescription: "a list", body: #"[{"jsonrpc":"2.0","id":ID,"result":"0x1"}]"#,
            error: .malformed("m: not JSON")),
        Answer(
            testDescription: "an error without a code",
            body: #"{"jsonrpc":"2.0","id":ID,"error":{"message":"x"}}"#,
            error: .malformed("m: no code")),
        Answer(
            testDescription: "a refusal",
            body: #"{"jsonrpc":"2.0","id":ID,"error":{"code":-32601,"message":"no such"}}"#,
            error: .server(code: -32_601, message: "no such", data: nil), isUnknown: false),
        Answer(
            testDescription: "a refusal with an HTTP error and data", status: 500,
            body:
                #"{"jsonrpc":"2.0","id":null,"error":{"code":3,"message":"x","data":"0x0aff"}}"#,
            error: .server(code: 3, message: "x", data: [0x0a, 0xff]), isUnknown: false),
        // A family is one character of 25 bytes; what is kept has a limit in bytes.
        Answer(
            testDescription: "a refusal with many words",
            body: """
                {"jsonrpc":"2.0","id":ID,"error":{"code":1,"message":"\(
                    String(repeating: family, count: 900))"}}
                """,
            error: .server(
                code: 1, message: String(repeating: family, count: 40), data: nil),
            isUnknown: false),
        Answer(
            testDescription: "a refusal with a result and other data",
            body: """
                {"jsonrpc":"2.0","id":ID,"result":"0x1",
                 "error":{"code":3,"message":"x","data":{"a":1}}}
                """, error: .server(code: 3, message: "x", data: nil), isUnknown: false),
    ]

    @Test(arguments: answers) func everyBadAnswerIsItsOwnError(answer: Answer) async throws {
        let server = try FakeNode.start { call in
            (answer.status, answer.body.replacing("ID", with: String(call.id)))
        }
        let client = FakeNode.client(of: server)
        await #expect(throws: answer.error) { try await client.call("m", as: String.self) }
        #expect(answer.error.isOutcomeUnknown == answer.isUnknown)
    }

    @Test func whatIsAskedArrivesAndTheResultIsHandedOut() async throws {
        let server = try FakeNode.results { call in
            let isRight =
                call.jsonrpc == "2.0" && call.method == "m"
                && call.params.map(\.value) == ["0x1", true, .integer(4)]
            return isRight ? #""yes""# : #""no""#
        }
        let client = FakeNode.client(of: server)
        for _ in 0..<3 {
            #expect(try await client.call("m", ["0x1", true, .integer(4)]) == "yes")
        }
    }

    @Test func nullIsAResultWhereItMayBe() async throws {
        let server = try FakeNode.results { _ in "null" }
        #expect(try await FakeNode.client(of: server).callOptional("m", as: String.self) == nil)
    }

    @Test func headersAreSentWithEveryCall() async throws {
        let seen = Mutex("")
        let server = try TCPServer { connection in
            while let request = connection.readRequest() {
                seen.withLock { $0 = request }
                connection.write("HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n")
            }
        }
        let client = JSONRPC(
            url: server.url, headers: [("Authorization", "Bearer key")], client: HTTPClient())
        await #expect(throws: RPCError.status(403)) { try await client.call("m", as: Bool.self) }
        let request = seen.withLock { $0 }
        #expect(request.hasPrefix("POST / HTTP/1.1\r\n"))
        #expect(request.contains("Authorization: Bearer key\r\n"))
        #expect(request.contains("Content-Type: application/json\r\n"))
    }

    @Test func anOversizeAnswerIsRefused() async throws {
        let server = try FakeNode.start { _ in
            (200, "\"" + String(repeating: "a", count: 33 << 20) + "\"")
        }
        let error = RPCError.transport(.responseTooLarge(limit: 32 << 20))
        let client = FakeNode.client(of: server)
        await #expect(throws: error) { try await client.call("m", as: String.self) }
        #expect(error.isOutcomeUnknown)
    }

    @Test func aServerThatNeverAnswersTimesOut() async throws {
        let silent = try TCPServer { connection in while !connection.read().isEmpty {} }
        let client = FakeNode.client(of: silent, timeout: .seconds(2))
        let error = RPCError.transport(.timedOut(mayHaveArrived: true))
        await #expect(throws: error) { try await client.call("m", as: String.self) }
        #expect(error.isOutcomeUnknown)
    }

    @Test func aServerThatClosesIsAnUnknownOutcomeAndNoServerIsNot() async throws {
        let closing = try TCPServer { connection in
            _ = connection.readRequest()
            connection.close()
        }
        let client = FakeNode.client(of: closing)
        let lost = await #expect(throws: RPCError.self) {
            try await client.call("m", as: String.self)
        }
        guard case .transport(.connectionLost(mayHaveArrived: true, _)) = lost else {
            Issue.record("\(String(describing: lost))")
            return
        }
        #expect(lost?.isOutcomeUnknown == true)
        let nobody = JSONRPC(
            url: "http://127.0.0.1:\(try TCPServer.closedPort())", client: HTTPClient())
        let refused = await #expect(throws: RPCError.self) {
            try await nobody.call("m", as: String.self)
        }
        guard case .transport(.couldNotConnect(_)) = refused else {
            Issue.record("\(String(describing: refused))")
            return
        }
        #expect(refused?.isOutcomeUnknown == false)
    }

    /// Whatever a server says instead of an answer, a transaction that was given to it stays
    /// unknown.
    @Test(arguments: answers) func noBadAnswerIsAFailure(answer: Answer) async throws {
        let server = try FakeNode.start { call in
            (answer.status, answer.body.replacing("ID", with: String(call.id)))
        }
        let chain = FakeNode.chain(of: server)
        let key = try #require(Secp256k1.PrivateKey([UInt8](repeating: 7, count: 32)))
        let transaction = EVMTransaction(
            chainID: 31_337, nonce: 0, maxPriorityFeePerGas: 1, maxFeePerGas: 1,
            gasLimit: 21_000, to: .zero
        ).signed(by: key)
        #expect(await chain.broadcast(transaction) == nil)
        for timeout in [Duration.zero, .milliseconds(20)] {
            guard
                case .unknown(transaction.hash, _) = await chain.wait(
                    for: transaction, timeout: timeout)
            else {
                Issue.record("a bad answer closed the transaction")
                return
            }
        }
    }
}
