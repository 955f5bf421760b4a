# Completion of Caesure's programs. The options are those that the program itself shows with --help.
_caesure() {
    local cur=$2 prev=$3 program=$1 words=''
    COMPREPLY=()
    case "$program:$prev" in
    *:--chain) words='main test testnet4 signet regtest' ;;
    *catlog:--level | *catlog:-l) words='error warning info debug' ;;
    *catlog:--facility | *catlog:-f) words='node chain ledger disk net pool admin packet log' ;;
    *catlog:--color) words='auto always never' ;;
    *convert-bootstrap:--to) words='native bootstrap' ;;
    *convert-bootstrap:--order) words='chain file' ;;
    *caesure-db:-b | *caesure-db:--base | *caesure:-b | *caesure:--base | *:--from-core)
        mapfile -t COMPREPLY < <(compgen -d -- "$cur")
        return
        ;;
    *)
        case "$cur" in
        -*) words=$("$program" --help 2>/dev/null | grep -oE '(^|[ ,])--?[a-z0-9][a-z0-9_-]*' | tr -d ' ,') ;;
        @*)
            mapfile -t COMPREPLY < <(compgen -P @ -f -- "${cur#@}")
            return
            ;;
        *)
            [[ $program != *caesure-db ]] ||
                words=$("$program" --help 2>/dev/null | sed -n 's/^  \([a-z]\{2,\}\) .*/\1/p')
            if [ -z "$words" ]; then
                mapfile -t COMPREPLY < <(compgen -f -- "$cur")
                return
            fi
            ;;
        esac
        ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}
complete -o filenames -F _caesure caesure caesure-db catlog convert-bootstrap
