import NIOCore
import Service
import Synchronization

/// Requests on their way from an event loop to the ledger: all that came in one turn of the loop
/// cross in one step, so that they wake the ledger once.
final class RequestGate {
    private let service: LedgerService
    private let loop: any EventLoop
    private var batch = LedgerBatch()

    init(_ service: LedgerService, _ loop: any EventLoop) {
        self.service = service
        self.loop = loop
    }

    /// Adds a request. On the event loop only.
    func add(
        _ request: LedgerRequest,
        _ reply: @escaping @Sendable (Result<LedgerReply, SequencerError>) -> Void
    ) {
        let isFirst = batch.isEmpty
        request.add(to: &batch, of: service, reply)
        guard isFirst, !batch.isEmpty else { return }
        // A task runs when all that the loop has read in this turn was handled.
        let bound = NIOLoopBound(self, eventLoop: loop)
        loop.execute { bound.value.open() }
    }

    private func open() {
        var full = LedgerBatch()
        swap(&full, &batch)
        service.submit(full)
    }
}

/// Replies on their way from the committer's thread to an event loop: all of one commit cross in
/// one step.
final class ReplyQueue: Sendable {
    private struct Reply {
        let connection: NIOLoopBound<ServedConnection>
        let frame: LedgerFrame
        let room: Int
        let result: Result<LedgerReply, SequencerError>
    }

    private let loop: any EventLoop
    private let waiting = Mutex<[Reply]>([])

    init(loop: any EventLoop) {
        self.loop = loop
    }

    /// What to call with the reply to a request, once, from any thread. `room` is what the reply
    /// has of the house's budget.
    func ticket(
        for connection: ServedConnection, _ frame: LedgerFrame, room: Int
    ) -> @Sendable (Result<LedgerReply, SequencerError>) -> Void {
        let bound = NIOLoopBound(connection, eventLoop: loop)
        return { [self] result in
            let isFirst = waiting.withLock { waiting in
                waiting.append(
                    Reply(connection: bound, frame: frame, room: room, result: result))
                return waiting.count == 1
            }
            if isFirst { loop.execute { self.deliver() } }
        }
    }

    private func deliver() {
        let replies = waiting.withLock { waiting in
            defer { waiting = [] }
            return waiting
        }
        for reply in replies {
            reply.connection.value.write(reply.frame, reply.result, room: reply.room)
        }
        for reply in replies { reply.connection.value.flush() }
    }
}
