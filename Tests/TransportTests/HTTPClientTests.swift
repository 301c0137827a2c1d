import Foundation
import LoopbackServer
import Testing
import Transport

@Suite(.timeLimit(.minutes(10)))
struct HTTPClientTests {
    private let client = HTTPClient()

    private func url(_ server: TCPServer, scheme: String = "http") -> String {
        "\(scheme)://127.0.0.1:\(server.port)/path?q=1"
    }

    /// A server that answers every request of a connection with the same text.
    private func answering(_ text: String) throws -> TCPServer {
        try TCPServer { connection in
            while connection.readRequest() != nil { connection.write(text) }
        }
    }

    @Test func anyStatusIsAnAnswer() async throws {
        let server = try answering(
            "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\nX-Two:  a b \r\nx-two: c\r\n\r\nnope")
        let response = try await client.send(HTTPRequest(url: url(server)))
        #expect(response.status == 404 && response.text == "nope")
        #expect(!response.head.isSuccess)
        #expect(response.head["X-TWO"] == "a b")
        #expect(response.head.headers.map(\.value) == ["4", "a b", "c"])
    }

    @Test func whatIsSentArrives() async throws {
        let server = try TCPServer { connection in
            guard let request = connection.readRequest() else { return }
            let body = Array(request.utf8)
            connection.write("HTTP/1.1 100 Continue\r\n\r\n")
            connection.write("HTTP/1.1 200 OK\r\nContent-Length: \(body.count)\r\n\r\n")
            connection.write(body)
        }
        let request = HTTPRequest(
            method: "PUT", url: url(server), headers: [("X-Key", "v:1"), ("X-Empty", "")],
            body: Array("a body".utf8))
        let echo = try await client.send(request).text
        #expect(echo.hasPrefix("PUT /path?q=1 HTTP/1.1\r\n"))
        #expect(echo.contains("X-Key: v:1\r\n") && echo.contains("X-Empty:\r\n"))
        #expect(echo.contains("Content-Length: 6\r\n") && echo.hasSuffix("\r\n\r\na body"))
        #expect(!echo.lowercased().contains("expect:"))
    }

    @Test func connectionsAreKeptAliveAndUnsafeRequestsAreNeverSentTwice() async throws {
        let server = try answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        for _ in 0..<3 { _ = try await client.send(HTTPRequest(url: url(server))) }
        var post = HTTPRequest(method: "POST", url: url(server), body: [1], mayRepeat: true)
        _ = try await client.send(post)
        #expect(server.connections == 1)
        post.mayRepeat = false
        _ = try await client.send(post)
        #expect(server.connections == 2)
    }

    @Test func manyExchangesRunAtOnce() async throws {
        let server = try TCPServer { connection in
            guard let request = connection.readRequest() else { return }
            let number = request.split(separator: " ")[1].dropFirst()
            connection.write("HTTP/1.1 200 OK\r\nContent-Length: \(number.count)\r\n\r\n\(number)")
        }
        let base = "http://127.0.0.1:\(server.port)/"
        try await withThrowingTaskGroup(of: Bool.self) { group in
            for number in 0..<50 {
                group.addTask { [client] in
                    try await client.send(HTTPRequest(url: "\(base)\(number)")).text == "\(number)"
                }
            }
            for try await isRight in group { #expect(isRight) }
        }
    }

    @Test func nobodyListening() async throws {
        let request = HTTPRequest(url: "http://127.0.0.1:\(try TCPServer.closedPort())/")
        let error = await #expect(throws: HTTPError.self) { try await client.send(request) }
        guard case .couldNotConnect = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(error?.isOutcomeUnknown == false)
    }

    @Test func runningOutOfTimeBeforeAndAfterTheRequestAreDifferent() async throws {
        let silent = try TCPServer { connection in while !connection.read().isEmpty {} }
        var request = HTTPRequest(url: url(silent, scheme: "https"), timeout: .milliseconds(200))
        let before = HTTPError.timedOut(mayHaveArrived: false)
        await #expect(throws: before) { try await client.send(request) }
        #expect(!before.isOutcomeUnknown)
        request.url = url(silent)
        request.timeout = .seconds(2)
        let after = HTTPError.timedOut(mayHaveArrived: true)
        await #expect(throws: after) { try await client.send(request) }
        #expect(after.isOutcomeUnknown)
    }

    @Test func aBrokenAnswerIsAnUnknownOutcome() async throws {
        for answer in [
            "", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", "HTTP/1.1 200 OK\r\nConte",
            "this is not HTTP\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        ] {
            let server = try TCPServer { connection in
                _ = connection.readRequest()
                connection.write(answer)
                connection.close()
            }
            let error = await #expect(throws: HTTPError.self) {
                try await client.send(HTTPRequest(url: url(server)))
            }
            guard case .connectionLost(mayHaveArrived: true, _) = error else {
                Issue.record("\(answer): \(String(describing: error))")
                continue
            }
            #expect(error?.isOutcomeUnknown == true)
        }
    }

    @Test func answersOverTheLimitAreRefused() async throws {
        let server = try answering("HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n0123456789X")
        let request = HTTPRequest(url: url(server), maximumResponseBytes: 10)
        await #expect(throws: HTTPError.responseTooLarge(limit: 10)) {
            try await client.send(request)
        }
        let endless = try TCPServer { connection in
            _ = connection.readRequest()
            connection.write("HTTP/1.1 200 OK\r\n")
            while connection.write("X-More: \(String(repeating: "x", count: 1_000))\r\n") {}
        }
        await #expect(throws: HTTPError.responseTooLarge(limit: 64 << 10)) {
            try await client.send(HTTPRequest(url: url(endless)))
        }
    }

    @Test func plainTextWhereTLSIsExpected() async throws {
        let server = try TCPServer { connection in
            connection.write("HTTP/1.1 400 Bad Request\r\n\r\n")
            _ = connection.read()
        }
        let error = await #expect(throws: HTTPError.self) {
            try await client.send(HTTPRequest(url: url(server, scheme: "https")))
        }
        guard case .tls = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(error?.isOutcomeUnknown == false)
    }

    @Test func redirectsAreAnswersNotOrders() async throws {
        let target = try answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        let server = try answering(
            "HTTP/1.1 302 Found\r\nLocation: \(url(target))\r\nContent-Length: 0\r\n\r\n")
        #expect(try await client.send(HTTPRequest(url: url(server))).status == 302)
        #expect(target.connections == 0)
    }

    @Test(arguments: [
        ("GET", "file:///etc/passwd", "", "address"), ("GET", "ftp://localhost/", "", "scheme"),
        ("GET", "gopher://127.0.0.1:1/", "", "scheme"), ("GET", "", "", "address"),
        ("GET", "http://", "", "address"), ("GET", "http://a b/", "", "address"),
        ("GET", "http://127.0.0.1/\r\nX: y", "", "address"),
        ("get", "http://127.0.0.1/", "", "method"), ("G T", "http://127.0.0.1/", "", "method"),
        ("", "http://127.0.0.1/", "", "method"),
        ("GET", "http://127.0.0.1/", "a\r\nX-Injected: 1", "header"),
    ])
    func badRequestsAreNeverTried(
        method: String, url: String, header: String, reason: String
    ) async throws {
        let request = HTTPRequest(method: method, url: url, headers: [("X-A", header)])
        await #expect(throws: HTTPError.invalidRequest(reason)) { try await client.send(request) }
    }

    @Test func aCancelledCallerGetsItsThreadBack() async throws {
        let silent = try TCPServer { connection in while !connection.read().isEmpty {} }
        let request = HTTPRequest(url: url(silent), timeout: nil)
        let task = Task { [client] in try await client.send(request) }
        while silent.connections == 0 { await Task.yield() }
        task.cancel()
        let result = await task.result
        #expect(throws: HTTPError.cancelled(mayHaveArrived: true)) { try result.get() }
    }

    @Test func aLongBodyComesWholeAndInOrderToASlowReader() async throws {
        let total = 6 << 20
        let server = try TCPServer { connection in
            _ = connection.readRequest()
            connection.write("HTTP/1.1 200 OK\r\nContent-Length: \(total)\r\n\r\n")
            let block = (0..<65_536).map { UInt8(truncatingIfNeeded: $0 / 3) }
            for _ in 0..<total / 65_536 { connection.write(block) }
        }
        let exchange = try await client.open(HTTPRequest(url: url(server), timeout: nil))
        var count = 0
        var wrong = 0
        for try await chunk in exchange.body {
            for byte in chunk {
                if byte != UInt8(truncatingIfNeeded: count % 65_536 / 3) { wrong += 1 }
                count += 1
            }
            await Task.yield()
        }
        #expect(count == total && wrong == 0)
    }

    @Test func eventsComeAsTheyAreSent() async throws {
        let server = try TCPServer { connection in
            guard let request = connection.readRequest() else { return }
            connection.write("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
            for piece in ["data: ", "{\"n\":1}\n", "\nda", "ta: [DONE]\n\n"] {
                connection.write(piece)
            }
            if request.contains("Accept: text/event-stream") { connection.write("data: a\n\n") }
            connection.close()
        }
        var data: [String] = []
        for try await event in try await client.events(HTTPRequest(url: url(server))) {
            data.append(event.data)
        }
        #expect(data == ["{\"n\":1}", "[DONE]", "a"])
    }

    @Test func eventsOfAFailureAreAnErrorWithItsBody() async throws {
        let server = try answering("HTTP/1.1 503 Busy\r\nContent-Length: 5\r\n\r\nlater")
        let error = await #expect(throws: HTTPStatusError.self) {
            _ = try await client.events(HTTPRequest(url: url(server)))
        }
        #expect(error?.head.status == 503 && error?.body == Array("later".utf8))
    }

    @Test func leavingAStreamClosesItsConnection() async throws {
        let ended = AsyncStream.makeStream(of: Bool.self)
        let server = try TCPServer { connection in
            _ = connection.readRequest()
            connection.write("HTTP/1.1 200 OK\r\n\r\n")
            while connection.write("data: tick\n\n") {}
            ended.continuation.yield(true)
        }
        for try await event in try await client.events(HTTPRequest(url: url(server), timeout: nil))
        {
            #expect(event.data == "tick")
            break
        }
        var iterator = ended.stream.makeAsyncIterator()
        #expect(await iterator.next() == true)
    }
}
