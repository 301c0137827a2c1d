import Glibc
public import Ledger
import Primitives

/// Why a client has no answer.
public enum LedgerClientError: Error, Equatable, Sendable {
    /// There is no connection; carries the system's words. Whether an unanswered command was
    /// carried out is not known: send it again with the same ids.
    case disconnected(String)
    /// The server refused the request; carries the number and the server's words.
    case refused(UInt16, String)
    /// The answer is not one of this protocol.
    case malformedReply
}

/// A client of the binary protocol, for one thread: blocks until the answer is there.
///
///     let client = try LedgerClient(host: "127.0.0.1", port: 7100)
///     let results = try client.createTransfers(transfers)
///
/// Requests can be repeated with the same ids: what was carried out answers `exists`.
public final class LedgerClient {
    /// The socket, for callers that wait for many clients at once.
    public let socket: CInt
    private var next: UInt64 = 1
    /// What came and was not taken yet is `received[start..<end]`.
    private var received = [UInt8](repeating: 0, count: 4_096)
    private var start = 0
    private var end = 0

    /// Connects.
    public init(host: String = "127.0.0.1", port: Int) throws(LedgerClientError) {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(truncatingIfNeeded: port).bigEndian
        guard unsafe inet_pton(AF_INET, host, &address.sin_addr) == 1 else {
            throw .disconnected("\(host) is not an IPv4 address")
        }
        socket = try LedgerClient.connected(AF_INET, &address)
        var yes: CInt = 1
        _ = unsafe setsockopt(
            socket, CInt(IPPROTO_TCP), TCP_NODELAY, &yes, socklen_t(MemoryLayout<CInt>.size))
    }

    /// Connects to a server on this machine by its Unix socket.
    public init(socket path: String) throws(LedgerClientError) {
        guard var address = UnixSocketPlace.address(path) else {
            throw .disconnected("\(path) is too long for a socket")
        }
        socket = try LedgerClient.connected(AF_UNIX, &address)
    }

    private static func connected<Address>(
        _ family: CInt, _ address: inout Address
    ) throws(LedgerClientError) -> CInt {
        let socket = systemSocket(family, CInt(SOCK_STREAM.rawValue), 0)
        guard socket >= 0 else { throw LedgerClientError.system() }
        let status = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe connect(socket, $0, socklen_t(MemoryLayout<Address>.size))
            }
        }
        guard status == 0 else {
            let error = LedgerClientError.system()
            _ = close(socket)
            throw error
        }
        return socket
    }

    deinit { _ = close(socket) }

    // MARK: Asking

    /// Creates accounts, at most `LedgerCommand.eventLimit`; one result for each.
    public func createAccounts(
        _ accounts: [Account]
    ) throws(LedgerClientError) -> [CreateAccountResult] {
        try results(of: .createAccounts(accounts)).map { (time, number) throws(LedgerClientError) in
            guard let status = CreateAccountStatus(rawValue: number) else { throw .malformedReply }
            return CreateAccountResult(status: status, timestamp: time)
        }
    }

    /// Creates transfers, at most `LedgerCommand.eventLimit`; one result for each.
    public func createTransfers(
        _ transfers: [Transfer]
    ) throws(LedgerClientError) -> [CreateTransferResult] {
        try results(of: .createTransfers(transfers)).map {
            (time, number) throws(LedgerClientError) in
            guard let status = CreateTransferStatus(rawValue: number) else { throw .malformedReply }
            return CreateTransferResult(status: status, timestamp: time)
        }
    }

    /// The accounts with these ids that exist.
    public func accounts(_ ids: [AccountID]) throws(LedgerClientError) -> [Account] {
        var writer = ByteWriter()
        for id in ids { writer.write(id) }
        guard let found = Account.records(try ask(.lookUpAccounts, writer.bytes)) else {
            throw .malformedReply
        }
        return found
    }

    /// The transfers with these ids that exist.
    public func transfers(_ ids: [TransferID]) throws(LedgerClientError) -> [Transfer] {
        var writer = ByteWriter()
        for id in ids { writer.write(id) }
        guard let found = Transfer.records(try ask(.lookUpTransfers, writer.bytes)) else {
            throw .malformedReply
        }
        return found
    }

    private func results(
        of command: LedgerCommand
    ) throws(LedgerClientError) -> [(Timestamp, UInt32)] {
        let body = try ask(.submit, command.canonicalBytes())
        guard body.count == 16 * command.count else { throw .malformedReply }
        var reader = ByteReader(body)
        var results: [(Timestamp, UInt32)] = []
        results.reserveCapacity(command.count)
        do throws(CodecError) {
            for _ in 0..<command.count {
                let time: Timestamp = try reader.read()
                let status = try reader.readUInt32()
                _ = try reader.readUInt32()
                results.append((time, status))
            }
        } catch {
            throw .malformedReply
        }
        return results
    }

    /// Sends one request and waits for its reply.
    public func ask(
        _ operation: LedgerOperation, _ body: [UInt8]
    ) throws(LedgerClientError) -> [UInt8] {
        let number = try send(operation, body)
        let (frame, reply) = try receive()
        guard frame.number == number else { throw .malformedReply }
        return reply
    }

    // MARK: Frames

    /// The whole frame of a request.
    public static func frame(
        _ operation: LedgerOperation, _ body: [UInt8], number: UInt64
    ) -> [UInt8] {
        let words = LedgerFrame(
            operation: operation.rawValue, length: body.count, number: number
        ).words
        var writer = ByteWriter()
        writer.reserveCapacity(LedgerFrame.headerBytes + body.count)
        writer.write(words.0)
        writer.write(words.1)
        writer.write(words.2)
        writer.writeRaw(body)
        return writer.bytes
    }

    /// Sends a request without waiting; gives its number.
    public func send(
        _ operation: LedgerOperation, _ body: [UInt8]
    ) throws(LedgerClientError) -> UInt64 {
        let number = next
        next += 1
        try send(LedgerClient.frame(operation, body, number: number))
        return number
    }

    /// Sends bytes as they are.
    public func send(_ bytes: [UInt8]) throws(LedgerClientError) {
        var sent = 0
        while sent < bytes.count {
            let count = unsafe bytes.withUnsafeBytes { bytes in
                unsafe Glibc.send(
                    socket, bytes.baseAddress.map { unsafe $0 + sent }, bytes.count - sent,
                    CInt(MSG_NOSIGNAL))
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw LedgerClientError.system() }
            sent += count
        }
    }

    /// Waits for the next reply. Throws `refused` if it is a refusal.
    public func receive() throws(LedgerClientError) -> (LedgerFrame, [UInt8]) {
        try fill(LedgerFrame.headerBytes)
        let first = word(0)
        let second = word(8)
        guard UInt32(truncatingIfNeeded: first) == LedgerFrame.magic, second < 1 << 26 else {
            throw .malformedReply
        }
        let frame = LedgerFrame(
            operation: UInt8(truncatingIfNeeded: first >> 40),
            refusal: UInt16(truncatingIfNeeded: first >> 48), length: Int(second), number: word(16))
        let size = LedgerFrame.headerBytes + Int(frame.length)
        try fill(size)
        let body = Array(received[(start + LedgerFrame.headerBytes)..<(start + size)])
        start += size
        if frame.refusal != 0 {
            throw .refused(frame.refusal, String(decoding: body, as: UTF8.self))
        }
        return (frame, body)
    }

    /// A word of what was received, little-endian.
    private func word(_ offset: Int) -> UInt64 {
        (0..<8).reduce(0) { $0 | UInt64(received[start + offset + $1]) << (8 * UInt64($1)) }
    }

    /// Reads until at least so many bytes are there.
    private func fill(_ count: Int) throws(LedgerClientError) {
        if end - start >= count { return }
        if end > start {
            let rest = Array(received[start..<end])
            received.replaceSubrange(0..<rest.count, with: rest)
        }
        end -= start
        start = 0
        if received.count < count {
            received += repeatElement(0, count: count - received.count)
        }
        while end < count {
            let read = unsafe received.withUnsafeMutableBytes { bytes in
                unsafe recv(
                    socket, bytes.baseAddress.map { unsafe $0 + end }, bytes.count - end, 0)
            }
            if read < 0, errno == EINTR { continue }
            guard read > 0 else {
                throw read == 0 ? .disconnected("the server hung up") : LedgerClientError.system()
            }
            end += read
        }
    }
}

extension LedgerClientError {
    fileprivate static func system() -> LedgerClientError {
        .disconnected(unsafe strerror(errno).map { unsafe String(cString: $0) } ?? "unknown")
    }
}

/// `socket` of the C library, under a name that no property hides.
private func systemSocket(_ domain: CInt, _ kind: CInt, _ protocolNumber: CInt) -> CInt {
    socket(domain, kind, protocolNumber)
}
