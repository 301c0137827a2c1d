/// Servers that can stand behind a node and compute whole models for it.
public enum UpstreamKind: String, CaseIterable, Hashable, Sendable {
    /// `llama-server` of llama.cpp.
    case llamaServer = "llama.cpp"
    /// `vllm serve`.
    case vllm = "vllm"
    /// `sglang.launch_server`.
    case sglang = "sglang"
}
