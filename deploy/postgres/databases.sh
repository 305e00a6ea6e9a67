# One database and one user a service, neither of which can reach the other's; run once, when
# the volume is empty, with the superuser's rights. Passwords are read from the environment.
for service in catalog notifier; do
    case $service in
        catalog) password=$CATALOG_DATABASE_PASSWORD ;;
        notifier) password=$NOTIFIER_DATABASE_PASSWORD ;;
    esac
    # What a process is called with can be seen by others; its environment cannot.
    service=$service password=$password psql --username "${POSTGRES_USER:-postgres}" \
        --dbname postgres --quiet --no-psqlrc --set ON_ERROR_STOP=1 <<'SQL'
\getenv service service
\getenv password password
create role :"service" login password :'password';
create database :"service" owner :"service";
revoke connect, temporary on database :"service" from public;
SQL
done
