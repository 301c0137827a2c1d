import Glibc

/// A Unix socket's place in the file system.
enum UnixSocketPlace {
    /// Why a socket cannot be there.
    enum Fault: Error, CustomStringConvertible {
        case tooLong(String)
        /// Something else is there, which is not for a server to remove.
        case taken(String)
        /// Another server listens there.
        case inUse(String)
        case system(String, String)

        var description: String {
            switch self {
            case .tooLong(let path): "\(path) is too long for a socket (107 bytes)"
            case .taken(let path): "\(path) is there and is no socket; choose another place"
            case .inUse(let path): "another process serves at \(path); stop it first"
            case .system(let path, let words): "\(path): \(words)"
            }
        }
    }

    /// The address, or `nil` for a path that is too long or empty.
    static func address(_ path: String) -> sockaddr_un? {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        let room = MemoryLayout.size(ofValue: address.sun_path)
        guard !bytes.isEmpty, bytes.count < room, !bytes.contains(0) else { return nil }
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { place in
            unsafe place.copyBytes(from: bytes)
        }
        return address
    }

    /// Removes a socket on which nobody listens any more.
    static func clear(_ path: String) throws(Fault) {
        guard address(path) != nil else { throw .tooLong(path) }
        var status = stat()
        guard unsafe lstat(path, &status) == 0 else { return }
        guard status.st_mode & S_IFMT == S_IFSOCK else { throw .taken(path) }
        if (try? LedgerClient(socket: path)) != nil { throw .inUse(path) }
        guard unsafe unlink(path) == 0 else { throw .system(path, words) }
    }

    /// Lets only this user connect.
    static func close(_ path: String) throws(Fault) {
        guard unsafe chmod(path, S_IRUSR | S_IWUSR) == 0 else { throw .system(path, words) }
    }

    private static var words: String {
        unsafe strerror(errno).map { unsafe String(cString: $0) } ?? "unknown"
    }
}
