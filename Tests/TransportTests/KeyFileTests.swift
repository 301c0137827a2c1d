import Cryptography
import Foundation
import Glibc
import Primitives
import Synchronization
import Testing
import Transport

/// Key files, sealed and others, in a folder of its own.
@Suite struct KeyFileTests {
    private final class Folder {
        let path = FileManager.default.temporaryDirectory.path() + "/keys-\(UUID().uuidString)"

        init() throws {
            try FileManager.default.createDirectory(
                atPath: path, withIntermediateDirectories: true)
        }

        deinit { try? FileManager.default.removeItem(atPath: path) }

        func file(_ name: String, _ text: String? = nil, mode: Int = 0o600) throws -> String {
            let file = "\(path)/\(name)"
            if let text {
                try Data(text.utf8).write(to: URL(filePath: file))
                try FileManager.default.setAttributes(
                    [.posixPermissions: mode], ofItemAtPath: file)
            }
            return file
        }

        var names: [String] {
            (try? FileManager.default.contentsOfDirectory(atPath: path).sorted()) ?? []
        }
    }

    private final class Warnings: Sendable {
        private let texts = Mutex<[String]>([])
        var all: [String] { texts.withLock { $0 } }
        func add(_ text: String) { texts.withLock { $0.append(text) } }
    }

    private let folder: Folder
    private let warnings = Warnings()
    private let secret = Secret(Array(1...32))
    private let digits = Hex.encode(1...32)

    init() throws { folder = try Folder() }

    private func access(_ passphrase: String) throws -> KeyAccess {
        let file = try folder.file("passphrase-\(passphrase.count)", "\(passphrase)\r\nmore\n")
        return KeyAccess(
            passphrases: PassphraseSource(file: file), warn: { [warnings] in warnings.add($0) })
    }

    private func mode(_ path: String) throws -> Int? {
        try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
    }

    @Test func aSealedFileOpensWithItsPassphraseOnly() throws {
        let access = try access("correct horse")
        let file = try folder.file("a.key")
        let key = try access.seal(secret, as: file, cost: .interactive)
        try SecretFile.write(.sealed(key), to: file, replacing: false)
        #expect(try mode(file) == 0o600)
        #expect(try access.secret(in: file).equals(secret))
        #expect(try access.account(in: file).address == key.address)
        #expect(try access.identity(in: file).publicKey == key.publicKey)
        #expect(throws: SecretFileError("\(file) cannot be opened: the passphrase is another one"))
        {
            try self.access("correct horse, wrong").secret(in: file)
        }
        let text = try String(contentsOfFile: file, encoding: .utf8)
        #expect(!text.contains(digits))
        let damaged = try folder.file("b.key", text.replacing("sealed ", with: "sealed 0"))
        #expect(
            throws: SecretFileError("\(damaged) is sealed: it is damaged: take it from a backup")
        ) {
            try access.secret(in: damaged)
        }
        // What takes plain files only must not take it for one.
        #expect(throws: SecretFileError.self) { try SecretFile.read(file) }
        #expect(warnings.all.isEmpty)
    }

    @Test func plainFilesStillWorkAndWideOnesAreToldOf() throws {
        let access = try access("correct horse")
        let closed = try folder.file("a.key", " 0x\(digits)\n")
        #expect(try access.secret(in: closed).equals(secret))
        #expect(warnings.all.isEmpty)
        for mode in [0o640, 0o604, 0o620] {
            let wide = try folder.file("b.key", digits.uppercased(), mode: mode)
            #expect(try access.secret(in: wide).equals(secret))
            let expected = "\(wide) can be read by others than its owner: chmod 600 \(wide)"
            #expect(warnings.all.last == expected)
        }
        #expect(warnings.all.count == 3)
        for text in ["", "0x", digits + "0", digits + "00", String(digits.dropLast()), "\0"] {
            let bad = try folder.file("c.key", text)
            #expect(throws: SecretFileError("\(bad) does not hold 64 hexadecimal digits")) {
                try access.secret(in: bad)
            }
        }
        #expect(throws: SecretFileError.self) { try access.secret(in: folder.path) }
        #expect(throws: SecretFileError.self) { try access.secret(in: folder.path + "/none") }
    }

    @Test func writingLeavesAWholeFileOrNone() throws {
        let file = try folder.file("a.key")
        try SecretFile.write(.plain(secret), to: file, replacing: false)
        #expect(throws: SecretFileError("\(file) exists already")) {
            try SecretFile.write(.plain(Secret(Array(2...33))), to: file, replacing: false)
        }
        #expect(try SecretFile.read(file) == Array(1...32))
        try SecretFile.write(.plain(Secret(Array(2...33))), to: file, replacing: true)
        #expect(try SecretFile.read(file) == Array(2...33))
        #expect(throws: SecretFileError.self) {
            try SecretFile.write(.plain(secret), to: folder.path + "/no/a.key", replacing: false)
        }
        #expect(folder.names == ["a.key"])
        #expect(try mode(file) == 0o600)
    }

    @Test func aPassphraseOfTheEnvironmentIsWipedWhereItCameFrom() throws {
        let variable = "EXCHEQUER_TEST_\(UInt32.random(in: 0 ... .max))"
        let source = PassphraseSource(variable: variable)
        unsafe setenv(variable, "correct horse", 1)
        let place = unsafe getenv(variable)
        #expect(try source.passphrase(of: "x").bytes == Array("correct horse".utf8))
        #expect(unsafe getenv(variable) == nil)
        #expect(unsafe place.map { unsafe strlen($0) } == 0)
        // A second key file of the same process is opened with it too.
        #expect(try source.passphrase(of: "y").bytes == Array("correct horse".utf8))
        let file = try folder.file("p", "battery staple")
        unsafe setenv(variable + "_FILE", file, 1)
        #expect(try source.passphrase(of: "x").bytes == Array("battery staple".utf8))
        let empty = try folder.file("e", "\nsecond line")
        #expect(throws: SecretFileError("\(empty) holds no passphrase in its first line")) {
            try PassphraseSource(file: empty).passphrase(of: "x")
        }
    }

    @Test func aProcessThatReadAKeyIsClosed() throws {
        let access = try access("correct horse")
        _ = try access.secret(in: try folder.file("a.key", digits))
        var limit = rlimit()
        #expect(unsafe getrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &limit) == 0)
        #expect(limit.rlim_cur == 0 && limit.rlim_max == 0)
        #expect(ProcessGuard.closeToDumps())
    }
}
