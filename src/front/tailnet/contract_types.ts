export interface TailnetIdentity {
  stableId: string;
  node: string;
  login: string;
  tags: string[];
  capabilities: Record<string, unknown[]>;
  addresses: string[];
}
export interface Caller {
  identity: TailnetIdentity;
  realms: readonly string[];
  isViewer: boolean;
  because: Record<string, "pin" | "person" | "capability">;
}
