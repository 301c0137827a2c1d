import CSodium
public import Primitives

/// Why a sealed key cannot be read or made. Says nothing of what is in it.
public enum SealedKeyError: Error, Hashable, Sendable {
    /// The text is no sealed key.
    case notSealed
    /// A version that this program does not know.
    case unsupportedVersion
    /// The text is not what was written: a byte is missing, more or another one.
    case damaged
    /// The text is whole, and the passphrase is another one; or somebody changed it with care.
    case wrongPassphrase
    /// The passphrase is shorter than 8 bytes or longer than 1,024.
    case badPassphrase
    /// There is not as much memory as turning the passphrase into a key takes.
    case noMemory
    /// What is to be sealed is no key: not 32 bytes, or not a number that secp256k1 takes.
    case noKey
}

extension SealedKeyError: CustomStringConvertible {
    /// One sentence without its full stop.
    public var description: String {
        switch self {
        case .notSealed: "it is no sealed key"
        case .unsupportedVersion: "it is sealed in a way that this version does not know"
        case .damaged: "it is damaged: take it from a backup"
        case .wrongPassphrase: "the passphrase is another one"
        case .badPassphrase: "a passphrase has 8 to 1,024 bytes"
        case .noMemory: "there is not enough memory to try the passphrase"
        case .noKey: "what is to be sealed is no key"
        }
    }
}

/// A key under a passphrase, as its file holds it (docs/reference/keys.md): Argon2id makes a key
/// of the passphrase, under which XChaCha20-Poly1305 encrypts the 32 bytes and vouches for the rest
/// of the text. The public halves are in the clear, so that they can be shown without the
/// passphrase.
public struct SealedKey: Hashable, Sendable {
    /// What trying one passphrase costs.
    public struct Cost: Hashable, Sendable {
        /// Passes over the memory.
        public let operations: UInt64
        /// Bytes of memory.
        public let memory: UInt64

        /// 64 MiB, about a tenth of a second: for tests and small machines.
        public static let interactive = Cost(operations: 2, memory: 64 << 20)
        /// 256 MiB, about a second.
        public static let moderate = Cost(operations: 3, memory: 256 << 20)
        /// 1 GiB, several seconds: for keys that are seldom used.
        public static let sensitive = Cost(operations: 4, memory: 1 << 30)

        /// What a file may ask for: more would let a stranger's file hold up the reader.
        static func isAllowed(_ operations: UInt64, _ memory: UInt64) -> Bool {
            (1...16).contains(operations) && (8_192...1 << 30).contains(memory)
        }
    }

    /// The word every file begins with.
    public static let mark = "exchequer-sealed-key"
    /// The most bytes of a file.
    public static let maximumBytes = 1_024
    /// How many random bytes of salt and nonce sealing takes.
    public static let randomBytes = saltBytes + nonceBytes

    private static let version = "\(mark) 1"
    private static let saltBytes = 16
    private static let nonceBytes = 24
    private static let secretBytes = 32
    private static let tagBytes = 16

    /// The key's EVM account.
    public let address: EVMAddress
    /// The key's public half as an Ed25519 seed: a node's key, a Solana address.
    public let publicKey: PublicKey
    /// What trying one passphrase costs.
    public let cost: Cost
    private let salt: [UInt8]
    private let nonce: [UInt8]
    private let box: [UInt8]

    // MARK: Sealing

    /// Seals a key of 32 bytes.
    ///
    /// - Parameter random: `randomBytes` fresh ones: this floor has no randomness.
    public init(
        _ secret: Secret, with passphrase: Secret, cost: Cost, random: [UInt8]
    ) throws(SealedKeyError) {
        precondition(random.count == Self.randomBytes, "a salt and a nonce are needed")
        guard (8...1_024).contains(passphrase.count) else { throw .badPassphrase }
        guard let account = Secp256k1.PrivateKey(secret),
            let node = Ed25519.PrivateKey(seed: secret)
        else { throw .noKey }
        address = account.address
        publicKey = node.publicKey
        self.cost = cost
        salt = Array(random[..<Self.saltBytes])
        nonce = Array(random[Self.saltBytes...])
        let key = try Self.key(of: passphrase, salt, cost)
        let head = Self.head(address, publicKey, cost, salt, nonce)
        box = Self.encrypt(secret, under: key, head, nonce)
    }

    /// The key, if the passphrase is right. Takes as long and as much memory as `cost` says.
    public func open(with passphrase: Secret) throws(SealedKeyError) -> Secret {
        let key = try Self.key(of: passphrase, salt, cost)
        let head = Array(Self.head(address, publicKey, cost, salt, nonce).utf8)
        var isRight = false
        let secret = unsafe Secret(count: Self.secretBytes) { opened in
            unsafe key.withBytes { key in
                let target = unsafe opened.baseAddress?.assumingMemoryBound(to: UInt8.self)
                isRight =
                    unsafe crypto_aead_xchacha20poly1305_ietf_decrypt(
                        target, nil, nil, box, UInt64(box.count), head, UInt64(head.count), nonce,
                        key) == 0
            }
        }
        guard isRight else { throw .wrongPassphrase }
        return secret
    }

    private static func key(
        of passphrase: Secret, _ salt: [UInt8], _ cost: Cost
    ) throws(SealedKeyError) -> Secret {
        var isDone = false
        let key = unsafe Secret(count: 32) { key in
            unsafe passphrase.withBytes { words in
                let target = unsafe key.baseAddress?.assumingMemoryBound(to: UInt8.self)
                let text = unsafe UnsafeRawPointer(words).assumingMemoryBound(to: CChar.self)
                guard let target = unsafe target else { return }
                isDone =
                    unsafe crypto_pwhash(
                        target, 32, text, UInt64(passphrase.count), salt, cost.operations,
                        Int(cost.memory), crypto_pwhash_ALG_ARGON2ID13) == 0
            }
        }
        guard isDone else { throw .noMemory }
        return key
    }

    private static func encrypt(
        _ secret: Secret, under key: Secret, _ head: String, _ nonce: [UInt8]
    ) -> [UInt8] {
        let head = Array(head.utf8)
        var box = [UInt8](repeating: 0, count: secretBytes + tagBytes)
        unsafe secret.withBytes { secret in
            unsafe key.withBytes { key in
                _ = unsafe crypto_aead_xchacha20poly1305_ietf_encrypt(
                    &box, nil, secret, UInt64(secretBytes), head, UInt64(head.count), nil, nonce,
                    key)
            }
        }
        return box
    }

    // MARK: Text

    /// What the file holds.
    public var text: String {
        let body =
            Self.head(address, publicKey, cost, salt, nonce) + "sealed \(Hex.encode(box))\n"
        return body + "check \(SHA256.hash(Array(body.utf8)).hex)\n"
    }

    /// Everything before the sealed bytes: they vouch for it.
    private static func head(
        _ address: EVMAddress, _ publicKey: PublicKey, _ cost: Cost, _ salt: [UInt8],
        _ nonce: [UInt8]
    ) -> String {
        """
        \(version)
        address \(address.hex)
        node \(publicKey.hex)
        kdf argon2id13 \(cost.operations) \(cost.memory)
        salt \(Hex.encode(salt))
        nonce \(Hex.encode(nonce))

        """
    }

    /// Reads a file's text. There is one spelling of a sealed key: whatever differs is damage.
    public init(text: String) throws(SealedKeyError) {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        guard let first = lines.first, first.hasPrefix(Self.mark) else { throw .notSealed }
        guard first == Self.version else { throw .unsupportedVersion }
        var fields: [Substring] = []
        for (line, name) in zip(
            lines.dropFirst(),
            ["address ", "node ", "kdf argon2id13 ", "salt ", "nonce ", "sealed "]
        ) {
            guard line.hasPrefix(name) else { throw .damaged }
            fields.append(line.dropFirst(name.count))
        }
        guard fields.count == 6, text.utf8.count <= Self.maximumBytes,
            let address = EVMAddress(hex: String(fields[0])),
            let publicKey = Digest(hex: String(fields[1])),
            let salt = Hex.decode(fields[3]), salt.count == Self.saltBytes,
            let nonce = Hex.decode(fields[4]), nonce.count == Self.nonceBytes,
            let box = Hex.decode(fields[5]), box.count == Self.secretBytes + Self.tagBytes
        else { throw .damaged }
        let numbers = fields[2].split(separator: " ")
        guard numbers.count == 2, let operations = UInt64(numbers[0]),
            let memory = UInt64(numbers[1]), Cost.isAllowed(operations, memory)
        else { throw .damaged }
        self.address = address
        self.publicKey = PublicKey(publicKey)
        cost = Cost(operations: operations, memory: memory)
        self.salt = salt
        self.nonce = nonce
        self.box = box
        guard self.text == text else { throw .damaged }
    }
}
