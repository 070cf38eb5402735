/** Scripts that connect a shell's completion with `keystone __complete`. */

/** For bash from 3.2 on, as macOS has it. It splits words at characters that belong to names. */
const bash = String.raw`_keystone() {
  local line="\${COMP_LINE:0:COMP_POINT}" words=() last head="" char part word directive=:4
  read -ra words <<< "$line"
  case "$line" in *[[:space:]]) words+=("") ;; esac
  last="\${words[\${#words[@]}-1]}"
  for char in : = @; do
    case "$COMP_WORDBREAKS" in *"$char"*) ;; *) continue ;; esac
    part="\${last%"\${last##*"$char"}"}"
    [ "\${#part}" -gt "\${#head}" ] && head="$part"
  done
  COMPREPLY=()
  while IFS=$'\t' read -r word part; do
    case "$word" in
      :[0-9]*) directive="$word" ;;
      "$last"*) printf -v word %q "\${word#"$head"}"; COMPREPLY+=("$word") ;;
    esac
  done < <("\${words[0]/#\~/$HOME}" __complete "\${words[@]:1}" 2>/dev/null </dev/null)
  if [ "$directive" = :0 ]; then
    compopt -o filenames 2>/dev/null
    while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen -f -- "\${last#"$head"}")
  fi
}
complete -F _keystone keystone kubectl-keystone`;

const zsh = String.raw`#compdef keystone kubectl-keystone
(( $+functions[compdef] )) || { autoload -U compinit && compinit -i; }
_keystone() {
  local line word directive=:4
  local -a found
  for line in "\${(@f)$("\${\${(Q)words[1]}/#\~/$HOME}" __complete "\${(@Q)words[2,CURRENT-1]}" "\${(Q)PREFIX}" 2>/dev/null </dev/null)}"; do
    word="\${line%%$'\t'*}"
    case "$word" in
      "") ;;
      :[0-9]*) directive="$word" ;;
      "$line") found+=("\${word//:/\\:}") ;;
      *) found+=("\${word//:/\\:}:\${line#*$'\t'}") ;;
    esac
  done
  if [[ "$directive" == :0 ]]; then compset -P '*='; _files; else _describe keystone found; fi
}
compdef _keystone keystone kubectl-keystone
[[ "$funcstack[1]" == _keystone ]] && _keystone || true`;

const fish = String.raw`function __keystone_complete
  set -l words (commandline -opc)
  set -l last (commandline -ct)
  test (count $last) -eq 0; and set last ""
  set -l command (string replace -r '^~' $HOME -- $words[1])
  for line in ($command __complete $words[2..-1] $last 2>/dev/null </dev/null)
    switch $line
      case ':4'
      case ':0'
        __fish_complete_path (string replace -r '^--[^=]*=' '' -- $last)
      case '*'
        echo $line
    end
  end
end
for command in keystone kubectl-keystone
  complete -c $command -f -a '(__keystone_complete)'
end`;

const unescaped = (script: string): string => script.replaceAll("\\${", "${");

export const shellScripts: Readonly<Record<string, string>> = {
  bash: unescaped(bash),
  zsh: unescaped(zsh),
  fish: unescaped(fish),
};
