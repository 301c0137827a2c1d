public import Cryptography
import Foundation
import Glibc
import Primitives
import Synchronization

/// Where the passphrase of a sealed key comes from: a file, the environment, or a person at the
/// terminal. Never an argument, which everybody on the machine can read.
public struct PassphraseSource: Sendable {
    /// A file with the passphrase in its first line; looked at before everything else.
    public var file: String?
    /// The name of the environment variable that holds it; the one with `_FILE` behind it names a
    /// file and comes first.
    public var variable: String

    /// A source.
    public init(file: String? = nil, variable: String = "EXCHEQUER_PASSPHRASE") {
        self.file = file
        self.variable = variable
    }

    /// The passphrase of `path`. A person is asked twice if a new one `isNew`.
    public func passphrase(
        of path: String, isNew: Bool = false
    ) throws(SecretFileError) -> Secret {
        if let file { return try Self.firstLine(of: file) }
        if let file = Environment.plain(variable + "_FILE") { return try Self.firstLine(of: file) }
        if let secret = Environment.shared.take(variable) { return secret }
        guard let terminal = Terminal() else {
            throw SecretFileError(
                "the passphrase of \(path) is wanted: in a file (--passphrase-file or "
                    + "\(variable)_FILE), in \(variable), or at a terminal")
        }
        let word = isNew ? "New passphrase" : "Passphrase"
        guard let first = terminal.ask("\(word) of \(path): ") else {
            throw SecretFileError("no passphrase of \(path) was given")
        }
        if isNew {
            guard let second = terminal.ask("Once more: "), first.equals(second) else {
                throw SecretFileError("the two passphrases differ")
            }
        }
        return first
    }

    private static func firstLine(of file: String) throws(SecretFileError) -> Secret {
        let content = try SecretFile.bytes(file)
        let length = unsafe content.withBytes { bytes in
            var length = 0
            while length < content.count, unsafe bytes[length] != 10 { length += 1 }
            if length > 0, unsafe bytes[length - 1] == 13 { length -= 1 }
            return length
        }
        guard length > 0 else {
            throw SecretFileError("\(file) holds no passphrase in its first line")
        }
        return content[0..<length]
    }
}

/// Secrets of the environment: read once, and wiped where the process was given them.
private final class Environment: Sendable {
    static let shared = Environment()
    private let taken = Mutex<[String: Secret]>([:])

    static func plain(_ name: String) -> String? {
        unsafe getenv(name).map { unsafe String(cString: $0) }
    }

    func take(_ name: String) -> Secret? {
        taken.withLock { taken in
            if let secret = taken[name] { return secret }
            guard let text = unsafe getenv(name) else { return nil }
            let count = unsafe strlen(text)
            guard count > 0 else { return nil }
            let secret = unsafe Secret(count: count) { copy in
                unsafe copy.copyMemory(from: UnsafeRawBufferPointer(start: text, count: count))
            }
            unsafe memset(text, 0, count)
            unsafe unsetenv(name)
            taken[name] = secret
            return secret
        }
    }
}

/// The terminal this process belongs to, for one question at a time.
private struct Terminal {
    private let descriptor: Int32

    /// `nil` if there is none.
    init?() {
        descriptor = unsafe open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY)
        if descriptor < 0 { return nil }
    }

    /// Asks without showing what is typed; `nil` if the person breaks off.
    func ask(_ question: String) -> Secret? {
        var before = termios()
        guard unsafe tcgetattr(descriptor, &before) == 0 else { return nil }
        var silent = before
        // Ctrl-C must come as a letter: the echo would stay off in the shell afterwards.
        silent.c_lflag &= ~tcflag_t(ECHO | ISIG)
        guard unsafe tcsetattr(descriptor, TCSAFLUSH, &silent) == 0 else { return nil }
        defer {
            unsafe tcsetattr(descriptor, TCSAFLUSH, &before)
            put("\n")
        }
        put(question)
        var count = 0
        var isGiven = false
        let line = unsafe Secret(count: 1_024) { line in
            while count < 1_024 {
                guard unsafe read(descriptor, line.baseAddress?.advanced(by: count), 1) == 1 else {
                    return
                }
                let letter = unsafe line[count]
                if letter == 10 || letter == 13 { return isGiven = true }
                if letter == 3 || letter == 4 { return }
                count += 1
            }
        }
        return isGiven && count > 0 ? line[0..<count] : nil
    }

    private func put(_ text: String) {
        let bytes = Array(text.utf8)
        _ = unsafe write(descriptor, bytes, bytes.count)
    }
}
