// What the person may reach, in the order of the navigation; at most five places fit on a phone.
import type { Key } from '../i18n/index.svelte';
import type { IconName } from './Icon.svelte';

export interface Place { href: string; key: Key; icon: IconName; phone: boolean }

export function navigation(can: (permission: string) => boolean): Place[] {
  const places: (Place & { shown: boolean })[] = [
    { href: '/', key: 'nav_home', icon: 'home', phone: true, shown: true },
    { href: '/dashboard', key: 'nav_dashboard', icon: 'chart', phone: true, shown: can('school.attendance:read') && can('school.everyone:read') },
    { href: '/registers', key: 'nav_registers', icon: 'register', phone: true, shown: can('school.attendance:write') },
    { href: '/records', key: 'nav_records', icon: 'records', phone: true, shown: can('school.student:read') },
    { href: '/people', key: 'nav_people', icon: 'people', phone: true, shown: can('identity.member:read') },
    { href: '/import', key: 'nav_import', icon: 'import', phone: false, shown: can('school.class_list:write') },
    { href: '/settings', key: 'nav_settings', icon: 'settings', phone: false, shown: can('tenancy.organisation:manage') },
  ];
  return places.filter((place) => place.shown);
}
