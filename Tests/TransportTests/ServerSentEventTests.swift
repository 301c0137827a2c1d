import Testing
import Transport

struct ServerSentEventTests {
    private func events(_ text: String) throws -> [ServerSentEvent] {
        var parser = ServerSentEventParser()
        return try parser.feed(Array(text.utf8))
    }

    /// The examples of the WHATWG standard, section 9.2.6, and its corner cases.
    @Test func readsWhatTheStandardSays() throws {
        #expect(
            try events("data: YHOO\ndata: +2\ndata: 10\n\n")
                == [ServerSentEvent(data: "YHOO\n+2\n10")])
        #expect(
            try events(
                ": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\n"
                    + "data:  third event\n\n") == [
                    ServerSentEvent(data: "first event", id: "1"),
                    ServerSentEvent(data: "second event", id: ""),
                    ServerSentEvent(data: " third event", id: ""),
                ])
        #expect(
            try events("data\n\ndata\ndata\n\ndata:")
                == [ServerSentEvent(data: ""), ServerSentEvent(data: "\n")])
        #expect(
            try events("event: job\ndata: 1\n\nevent: lost\n\ndata: 2\n\n")
                == [ServerSentEvent(event: "job", data: "1"), ServerSentEvent(data: "2")])
        #expect(
            try events("\u{feff}retry: 250\ndata: x\n\nretry: soon\nid: a\u{0}b\ndata: y\n\n") == [
                ServerSentEvent(data: "x", retry: 250), ServerSentEvent(data: "y", retry: 250),
            ])
        #expect(try events("data: é 日本\n\n") == [ServerSentEvent(data: "é 日本")])
    }

    @Test(arguments: ["\n", "\r", "\r\n"])
    func anyLineEndAndAnyCutGiveTheSameEvents(end: String) throws {
        let lines = [
            "id: 7", "event: a", "data: one", "data: two", "", ": ping", "data: 日", "", "",
        ]
        let bytes = Array(lines.joined(separator: end).utf8)
        let expected = [
            ServerSentEvent(event: "a", data: "one\ntwo", id: "7"),
            ServerSentEvent(data: "日", id: "7"),
        ]
        for size in 1...bytes.count {
            var parser = ServerSentEventParser()
            var seen: [ServerSentEvent] = []
            for start in stride(from: 0, to: bytes.count, by: size) {
                seen += try parser.feed(Array(bytes[start..<min(start + size, bytes.count)]))
            }
            #expect(seen == expected)
        }
    }

    @Test func anEndlessEventIsRefused() throws {
        var parser = ServerSentEventParser(maximumEventBytes: 100)
        #expect(
            try parser.feed(Array("data: \(String(repeating: "x", count: 90))\n\n".utf8)).count == 1
        )
        #expect(throws: ServerSentEventError.eventTooLarge(limit: 100)) {
            _ = try parser.feed([UInt8](repeating: 0x61, count: 101))
        }
        var lines = ServerSentEventParser(maximumEventBytes: 100)
        #expect(throws: ServerSentEventError.eventTooLarge(limit: 100)) {
            for _ in 0..<20 { _ = try lines.feed(Array("data: 0123456789\n".utf8)) }
        }
    }
}
