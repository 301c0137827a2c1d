import CCurl
import CCurlShim
import Foundation
import Synchronization

/// The thread on which libcurl works: takes commands, moves bytes, reports ends.
///
/// One thread and one multi handle serve all exchanges, so connections are kept alive and a
/// thousand waiting event streams cost no threads.
@safe
final class CurlLoop: @unchecked Sendable {
    private enum Command {
        case add(CurlTransfer)
        case cancel(UInt64)
        case unpause(UInt64)
        case stop
    }

    private let mailbox = Mutex<[Command]>([])
    private let ids = Atomic<UInt64>(0)
    private let multi: UnsafeMutableRawPointer
    // Touched only on the thread.
    private var transfers: [UInt64: CurlTransfer] = [:]
    private var idsByHandle: [UnsafeMutableRawPointer: UInt64] = unsafe [:]

    private static let isLibraryReady: Bool =
        curl_global_init(Int(CURL_GLOBAL_ALL)) == CURLE_OK

    init() {
        precondition(Self.isLibraryReady, "libcurl could not be started")
        guard let multi = unsafe curl_multi_init() else {
            preconditionFailure("no memory for libcurl")
        }
        unsafe self.multi = unsafe multi
        let thread = Thread { [self] in run() }
        thread.name = "http"
        thread.start()
    }

    deinit { unsafe curl_multi_cleanup(multi) }

    /// A transfer of this loop, not yet started.
    func transfer(_ request: CheckedRequest) -> CurlTransfer {
        let id = ids.add(1, ordering: .relaxed).newValue
        return CurlTransfer(id: id, request: request) { [weak self] in self?.post(.unpause(id)) }
    }

    /// Starts a transfer.
    func add(_ transfer: CurlTransfer) { post(.add(transfer)) }

    /// Ends a transfer now; nothing happens if it has ended.
    func cancel(_ transfer: CurlTransfer) { post(.cancel(transfer.id)) }

    /// Ends every transfer and the thread.
    func stop() { post(.stop) }

    private func post(_ command: Command) {
        mailbox.withLock { $0.append(command) }
        unsafe curl_multi_wakeup(multi)
    }

    private func run() {
        while perform(
            mailbox.withLock { commands in
                defer { commands = [] }
                return commands
            })
        {
            var running: Int32 = 0
            unsafe curl_multi_perform(multi, &running)
            collect()
            unsafe curl_multi_poll(multi, nil, 0, 10_000, nil)
        }
        for id in Array(transfers.keys) { end(id) { $0.fail(.cancelled(mayHaveArrived: true)) } }
    }

    /// Carries commands out. Returns whether to go on.
    private func perform(_ commands: [Command]) -> Bool {
        for command in commands {
            switch command {
            case .add(let transfer): start(transfer)
            case .cancel(let id): end(id) { $0.fail(.cancelled(mayHaveArrived: $0.mayHaveArrived)) }
            case .unpause(let id): transfers[id]?.unpause()
            case .stop: return false
            }
        }
        return true
    }

    private func start(_ transfer: CurlTransfer) {
        guard let handle = unsafe transfer.start(),
            unsafe curl_multi_add_handle(multi, handle) == CURLM_OK
        else {
            transfer.fail(.connectionLost(mayHaveArrived: false, "no memory for libcurl"))
            transfer.release()
            return
        }
        transfers[transfer.id] = transfer
        unsafe idsByHandle[handle] = transfer.id
    }

    /// Reports the transfers that have ended.
    private func collect() {
        var left: Int32 = 0
        while let message = unsafe curl_multi_info_read(multi, &left) {
            guard unsafe message.pointee.msg == CURLMSG_DONE,
                let handle = unsafe message.pointee.easy_handle,
                let id = unsafe idsByHandle[handle]
            else { continue }
            let code = unsafe message.pointee.data.result
            end(id) { $0.complete(code) }
        }
    }

    private func end(_ id: UInt64, _ report: (CurlTransfer) -> Void) {
        guard let transfer = transfers.removeValue(forKey: id) else { return }
        report(transfer)
        if let handle = unsafe transfer.handle {
            unsafe curl_multi_remove_handle(multi, handle)
            unsafe idsByHandle[handle] = nil
        }
        transfer.release()
    }
}
