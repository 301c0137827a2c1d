/// JSON Schema's formats that can be written, each as a pattern that reads some of its texts and
/// none that are not of it. Sources: RFC 3339, RFC 4122, RFC 1123, RFC 2673, RFC 5321.
enum TextFormats {
    private static let date =
        "[1-9][0-9]{3}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])"
        + "|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))"
    private static let clock = "([01][0-9]|2[0-3]):[0-5][0-9]"
    private static let time = "\(clock):[0-5][0-9](\\.[0-9]{1,9})?(Z|[+-]\(clock))"
    private static let byte = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
    private static let label = "[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?"

    static let patterns = [
        "date": "^\(date)$",
        "time": "^\(time)$",
        "date-time": "^\(date)T\(time)$",
        "email": "^[A-Za-z0-9_+-]{1,32}(\\.[A-Za-z0-9_+-]{1,31})?@\(label)(\\.\(label)){1,3}$",
        "hostname": "^\(label)(\\.\(label)){0,3}$",
        "ipv4": "^\(byte)(\\.\(byte)){3}$",
        "uuid": "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
    ]
}
