# bash completion for tallyctl(8)
#
# Commands and options are those that "tallyctl -h" prints, so this is never out of date. Lists come
# from the running tallyd, zones from its configuration file.

# The configuration file: of -c on the line, or the default.
_tallyctl_config() {
    if [ -n "$2" ]; then
        printf '%s\n' "$2"
    else
        "$1" -h 2>/dev/null | sed -n 's/^ *-c, --config .*(default \(.*\))$/\1/p'
    fi
}

_tallyctl_zones() {
    local config
    config=$(_tallyctl_config "$1" "$2")
    [ -r "$config" ] || return 0
    sed -n "s/^[[:space:]]*zone[[:space:]]*[\"']\{0,1\}\([A-Za-z0-9._-]*\).*/\1/p" "$config"
}

# The line of "tallyctl -h" about a command.
_tallyctl_grammar() {
    "$1" -h 2>/dev/null | sed -n "/^Commands:/,\$s/^  \($2\)\$/\1/p;/^Commands:/,\$s/^  \($2 .*\)/\1/p"
}

_tallyctl() {
    local tool=$1 current=$2 previous=$3
    local i word command='' config='' words=0 choices=''
    local -a call=("$tool")

    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        case $word in
        -c | --config)
            config=${COMP_WORDS[i + 1]}
            [ -n "$command" ] || ((i++))
            ;;
        -s | --socket)
            [ -n "$command" ] || call+=(-s "${COMP_WORDS[++i]}")
            ;;
        -*) ;;
        *)
            if [ -z "$command" ]; then command=$word; else words=$((words + 1)); fi
            ;;
        esac
    done
    [ -z "$config" ] || call+=(-c "$config")

    if [ -z "$command" ]; then
        case $previous in
        -c | --config | -s | --socket)
            compopt -o filenames
            mapfile -t COMPREPLY < <(compgen -f -- "$current")
            return
            ;;
        esac
        if [[ $current == -* ]]; then
            choices='-c --config -s --socket --json -V --version -h --help'
        else
            choices=$("$tool" -h 2>/dev/null | sed -n '/^Commands:/,$s/^  \([a-z][a-z-]*\).*/\1/p')
        fi
        mapfile -t COMPREPLY < <(compgen -W "$choices" -- "$current")
        return
    fi

    case $previous in
    --zone) choices=$(_tallyctl_zones "$tool" "$config") ;;
    --for) choices='12h 7d 30d 12w' ;;
    --since) choices='1d 7d 30d' ;;
    --until | --reason | --by) return ;;
    --config)
        compopt -o filenames
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        return
        ;;
    --format | --as)
        choices=$(_tallyctl_grammar "$tool" "$command" |
            sed -n "s/.*\[$previous \([^]]*\)\].*/\1/p" | tr '|' ' ')
        ;;
    *)
        if [[ $current == -?* ]]; then
            choices="--json $(_tallyctl_grammar "$tool" "$command" | grep -o -e '--[a-z]*')"
        elif [[ $command == import || $command == import-postfix ]]; then
            compopt -o filenames
            mapfile -t COMPREPLY < <(compgen -f -- "$current")
            return
        elif [ "$words" = 0 ]; then
            case $command in
            quarantine | release)
                choices=$(timeout 2 "${call[@]}" lists --json 2>/dev/null |
                    sed -n 's/^ *"list": "\(.*\)",\{0,1\}$/\1/p')
                ;;
            learn) choices='spam ham' ;;
            esac
        fi
        ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$choices" -- "$current")
}

complete -F _tallyctl tallyctl
